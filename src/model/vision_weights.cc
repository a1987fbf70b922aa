#include "model/vision_weights.h"

#include <string>
#include <string_view>
#include <utility>

#include "base/fail.h"
#include "model/weight_binder.h"

namespace octavo {
namespace {

constexpr std::string_view kTower = "vision_tower.";

/// The start of the names of the tower's tensors; nothing if there are none.
std::optional<std::string> vision_prefix(const Checkpoint& checkpoint) {
  for (const std::string prefix : {"model.", ""}) {
    const std::string start = prefix + std::string(kTower);
    const auto first = checkpoint.tensors().lower_bound(start);
    if (first != checkpoint.tensors().end() && first->first.starts_with(start)) return prefix;
  }
  return std::nullopt;
}

/// The bounds `name`_min and `name`_max, which may be infinite.
std::pair<float, float> bind_bounds(const WeightBinder& binder, const std::string& name) {
  const float min = binder.scalar(name + "_min"), max = binder.scalar(name + "_max");
  if (!(min <= max)) {  // or not a number
    fail(ErrorCode::kBadFile, "tensor '{}_min': {} where at most {} is expected, as {}_max has it",
         binder.full_name(name), min, max, name.substr(name.rfind('.') + 1));
  }
  return {min, max};
}

VisionLinear bind_linear(const WeightBinder& binder, const std::string& module, int64_t rows,
                         int64_t cols, bool clipped) {
  VisionLinear linear{binder.matrix(module + ".linear", rows, cols), std::nullopt};
  if (clipped) {
    const auto [input_min, input_max] = bind_bounds(binder, module + ".input");
    const auto [output_min, output_max] = bind_bounds(binder, module + ".output");
    linear.clip = {input_min, input_max, output_min, output_max};
  }
  return linear;
}

VisionLayerWeights bind_layer(const WeightBinder& binder, const VisionConfig& config,
                              int64_t index) {
  const std::string layer = fmt::format("{}encoder.layers.{}.", kTower, index);
  const int64_t hidden = config.hidden_size, width = config.intermediate_size;
  const int64_t q_width = config.num_attention_heads * config.head_dim;
  const int64_t kv_width = config.num_key_value_heads * config.head_dim;
  const auto norm = [&](const char* name, int64_t size) {
    return binder.vector(layer + name + ".weight", size);
  };
  const auto linear = [&](const char* name, int64_t rows, int64_t cols) {
    return bind_linear(binder, layer + name, rows, cols, config.use_clipped_linears);
  };
  VisionLayerWeights w;
  w.input_layernorm = norm("input_layernorm", hidden);
  w.post_attention_layernorm = norm("post_attention_layernorm", hidden);
  w.pre_feedforward_layernorm = norm("pre_feedforward_layernorm", hidden);
  w.post_feedforward_layernorm = norm("post_feedforward_layernorm", hidden);
  w.q_proj = linear("self_attn.q_proj", q_width, hidden);
  w.k_proj = linear("self_attn.k_proj", kv_width, hidden);
  w.v_proj = linear("self_attn.v_proj", kv_width, hidden);
  w.o_proj = linear("self_attn.o_proj", hidden, q_width);
  w.q_norm = norm("self_attn.q_norm", config.head_dim);
  w.k_norm = norm("self_attn.k_norm", config.head_dim);
  w.gate_proj = linear("mlp.gate_proj", width, hidden);
  w.up_proj = linear("mlp.up_proj", width, hidden);
  w.down_proj = linear("mlp.down_proj", hidden, width);
  return w;
}

}  // namespace

std::optional<VisionWeights> bind_vision_weights(const Checkpoint& checkpoint,
                                                 const ModelConfig& config) {
  const auto prefix = vision_prefix(checkpoint);
  if (!config.vision || !prefix) return std::nullopt;
  const VisionConfig& vision = *config.vision;
  const WeightBinder binder(checkpoint, config, *prefix);
  const std::string tower(kTower);
  const int64_t hidden = vision.hidden_size;
  VisionWeights weights;
  weights.input_proj = binder.matrix(tower + "patch_embedder.input_proj", hidden,
                                     3 * vision.patch_size * vision.patch_size);
  weights.position_table = binder.stack(tower + "patch_embedder.position_embedding_table", 2,
                                        vision.position_embedding_size, hidden);
  for (int64_t i = 0; i < vision.num_hidden_layers; ++i) {
    weights.layers.push_back(bind_layer(binder, vision, i));
  }
  if (vision.standardize) {
    weights.std_bias = binder.vector(tower + "std_bias", hidden);
    weights.std_scale = binder.vector(tower + "std_scale", hidden);
  }
  weights.projection =
      binder.matrix("embed_vision.embedding_projection", config.text.hidden_size, hidden);
  return weights;
}

}  // namespace octavo
