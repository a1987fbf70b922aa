// model: the weights of a Gemma 4 vision tower and of the projection behind it.
#pragma once

#include <optional>
#include <vector>

#include "backend/backend.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"

namespace octavo {

/// y = W x; clipped: y = clamp(W clamp(x, input), output).
struct VisionLinear {
  struct Clip {
    float input_min, input_max, output_min, output_max;
  };
  WeightMatrix weight;
  std::optional<Clip> clip;
};

struct VisionLayerWeights {
  Vector input_layernorm;
  Vector post_attention_layernorm;
  Vector pre_feedforward_layernorm;
  Vector post_feedforward_layernorm;
  VisionLinear q_proj, k_proj, v_proj, o_proj;
  Vector q_norm, k_norm;
  VisionLinear gate_proj, up_proj, down_proj;
};

struct VisionWeights {
  WeightMatrix input_proj;      // [hidden, patch_size^2 * 3]
  WeightMatrix position_table;  // rows by column of a patch, then as many by its row
  std::vector<VisionLayerWeights> layers;
  Vector std_bias, std_scale;  // empty unless the tower standardises
  WeightMatrix projection;     // to the hidden size of the text model
};

/// Binds the tower under its Hugging Face or MLX names, checked against the config. Nothing where
/// the config has no vision_config or the checkpoint no tensor of a tower (text-only conversions
/// keep the config). Throws kBadFile naming a tensor that is missing or has another shape.
/// `checkpoint` must outlive the result.
std::optional<VisionWeights> bind_vision_weights(const Checkpoint& checkpoint,
                                                 const ModelConfig& config);

}  // namespace octavo
