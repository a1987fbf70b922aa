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

struct LayerWeights {
  Vector input_layernorm;
  Vector post_attention_layernorm;
  Vector pre_feedforward_layernorm;
  Vector post_feedforward_layernorm;
  WeightMatrix q_proj, k_proj, o_proj;
  std::optional<WeightMatrix> v_proj;  // absent where the value is the raw key projection
  Vector q_norm, k_norm;
  MlpWeights mlp;
  std::optional<MoeWeights> moe;
  float layer_scalar = 1.0f;
};

struct Gemma4Weights {
  WeightMatrix embed_tokens;
  WeightMatrix head;  // embed_tokens where tied
  Vector norm;
  std::vector<LayerWeights> layers;
};

/// Binds every weight to its mapped bytes, checking names, shapes and dtypes against the config.
/// Throws kBadFile naming the tensor. `checkpoint` must outlive the result.
Gemma4Weights bind_weights(const Checkpoint& checkpoint, const ModelConfig& config);

}  // namespace octavo
