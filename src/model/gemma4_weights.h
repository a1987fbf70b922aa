// model: the weights of a Gemma 4 text model, found in a checkpoint under any of its naming
// schemes.
#pragma once

#include <optional>
#include <vector>

#include "backend/backend.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"

namespace octavo {

struct MlpWeights {
  WeightMatrix gate, up, down;
};

struct MoeWeights {
  Vector pre_feedforward_layernorm_2;
  Vector post_feedforward_layernorm_1;
  Vector post_feedforward_layernorm_2;
  RouterWeights router;
  ExpertBank experts;
};

/// Where a layer takes up its per-layer input (E models).
struct PerLayerGateWeights {
  WeightMatrix gate;        // [P, hidden]
  WeightMatrix projection;  // [hidden, P]
  Vector post_norm;         // [hidden]
};

/// What per-layer inputs are made from, for all layers side by side.
struct PerLayerInputWeights {
  WeightMatrix table;             // embed_tokens_per_layer: [vocab, layers * P]
  WeightMatrix model_projection;  // [layers * P, hidden]
  Vector projection_norm;         // [P]
};

struct LayerWeights {
  Vector input_layernorm;
  Vector post_attention_layernorm;
  Vector pre_feedforward_layernorm;
  Vector post_feedforward_layernorm;
  WeightMatrix q_proj, o_proj;
  std::optional<WeightMatrix> k_proj;  // absent where another layer's keys and values are used
  std::optional<WeightMatrix> v_proj;  // absent also where the value is the raw key projection
  Vector q_norm, k_norm;               // k_norm is empty without k_proj
  MlpWeights mlp;
  std::optional<MoeWeights> moe;
  std::optional<PerLayerGateWeights> per_layer_gate;
  float layer_scalar = 1.0f;
};

struct Gemma4Weights {
  WeightMatrix embed_tokens;
  WeightMatrix head;  // embed_tokens where tied
  Vector norm;
  std::vector<LayerWeights> layers;
  std::optional<PerLayerInputWeights> per_layer_inputs;
};

/// Binds every weight to its mapped bytes, checking names, shapes and dtypes against the config.
/// Throws kBadFile naming the tensor. `checkpoint` must outlive the result.
Gemma4Weights bind_weights(const Checkpoint& checkpoint, const ModelConfig& config);

}  // namespace octavo
