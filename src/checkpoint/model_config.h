// checkpoint: the typed form of config.json that the engine and the converter share.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/quantization_config.h"

namespace octavo {

/// One decoder layer's attention geometry.
struct LayerConfig {
  bool full_attention = false;  // else sliding
  int64_t head_dim = 0;
  int64_t kv_heads = 0;
  bool k_is_v = false;            // full layers under attention_k_eq_v: no v_proj
  int64_t intermediate_size = 0;  // dense MLP width
};

/// RoPE parameters of one layer type.
struct RopeConfig {
  double theta = 10000.0;
  double partial_rotary_factor = 1.0;  // proportional type; 1 = all dimensions rotate
  double factor = 1.0;                 // divides all frequencies
};

struct TextConfig {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t num_attention_heads = 0;
  int64_t sliding_window = 0;
  int64_t max_position_embeddings = 0;
  bool moe = false;
  int64_t num_experts = 0;
  int64_t top_k_experts = 0;
  int64_t moe_intermediate_size = 0;
  double rms_norm_eps = 1e-6;
  double final_logit_softcapping = 0;  // 0 = none
  RopeConfig sliding_rope, full_rope;
  bool tie_word_embeddings = true;
  bool bidirectional_vision = false;  // image blocks see themselves whole in sliding layers
  int64_t hidden_size_per_layer_input = 0;
  int64_t vocab_size_per_layer_input = 0;
  int64_t num_kv_shared_layers = 0;
  bool use_double_wide_mlp = false;
  std::vector<LayerConfig> layers;
};

struct VisionConfig {
  int64_t hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0, num_attention_heads = 0;
  int64_t num_key_value_heads = 0, head_dim = 0, patch_size = 0, position_embedding_size = 0;
  int64_t pooling_kernel_size = 0;
  double rms_norm_eps = 1e-6, rope_theta = 100.0;
  bool standardize = false, use_clipped_linears = false;
};

struct ModelConfig {
  std::string model_type;  // gemma4 or gemma4_text
  TextConfig text;
  std::optional<VisionConfig> vision;
  bool has_audio = false;
  std::vector<int32_t> eos_token_ids;  // of config.json; generation_config.json may override
  int32_t bos_token_id = 2, pad_token_id = 0;
  int32_t image_token_id = 0, video_token_id = 0;  // each stands for one soft token
  std::optional<QuantizationConfig> quantization;

  /// Validates everything the engine relies on; throws kBadFile naming `source` and the key, or
  /// kUnsupported for well-formed features that Octavo lacks. Accepts text-only configs (text keys
  /// at top level) and both spellings of newer configs (per_layer_config). Missing keys get
  /// transformers' defaults where that is safe.
  static ModelConfig parse(const nlohmann::json& config, const std::string& source);
};

}  // namespace octavo
