#include "synth/shapes.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/fail.h"
#include "checkpoint/model_config.h"

namespace octavo::synth {
namespace {

using nlohmann::json;

/// What differs between the members.
struct Shape {
  std::string_view name;
  int layers, period;  // every period-th layer has full attention
  int hidden, intermediate;
  int heads, kv_heads, global_kv_heads;  // 0: full layers have kv_heads and a v_proj
  int experts, top_k, expert_width;      // 0: no experts
  int per_layer_input, shared_layers;
  int window, positions;
  bool wide_mlp, vision_mask;
};

constexpr std::array<Shape, 4> kShapes = {
    {{"26b-a4b", 30, 6, 2816, 2112, 16, 8, 2, 128, 8, 704, 0, 0, 1024, 262144, false, true},
     {"31b", 60, 6, 5376, 21504, 32, 16, 4, 0, 0, 0, 0, 0, 1024, 262144, false, true},
     {"e2b", 35, 5, 1536, 6144, 8, 1, 0, 0, 0, 0, 256, 20, 512, 131072, true, false},
     {"e4b", 42, 6, 2560, 10240, 8, 2, 0, 0, 0, 0, 256, 18, 512, 131072, false, false}}};

constexpr int kVocab = 262144;

const Shape& find_shape(std::string_view name) {
  std::string known;
  for (const Shape& shape : kShapes) {
    if (shape.name == name) return shape;
    known += (known.empty() ? "" : ", ") + std::string(shape.name);
  }
  fail(ErrorCode::kBadRequest, "--like '{}': expected one of {}", printable(name), known);
}

json or_null(int value) {
  return value > 0 ? json(value) : json();
}

json text_config(const Shape& shape) {
  json types = json::array();
  for (int i = 1; i <= shape.layers; ++i) {
    types.push_back(i % shape.period == 0 ? "full_attention" : "sliding_attention");
  }
  const json ropes = {
      {"full_attention",
       {{"partial_rotary_factor", 0.25}, {"rope_theta", 1000000.0}, {"rope_type", "proportional"}}},
      {"sliding_attention", {{"rope_theta", 10000.0}, {"rope_type", "default"}}}};
  return {{"attention_bias", false},
          {"attention_dropout", 0.0},
          {"attention_k_eq_v", shape.global_kv_heads > 0},
          {"bos_token_id", 2},
          {"dtype", "bfloat16"},
          {"enable_moe_block", shape.experts > 0},
          {"eos_token_id", 1},
          {"final_logit_softcapping", 30.0},
          {"global_head_dim", 512},
          {"head_dim", 256},
          {"hidden_activation", "gelu_pytorch_tanh"},
          {"hidden_size", shape.hidden},
          {"hidden_size_per_layer_input", shape.per_layer_input},
          {"initializer_range", 0.02},
          {"intermediate_size", shape.intermediate},
          {"layer_types", std::move(types)},
          {"max_position_embeddings", shape.positions},
          {"model_type", "gemma4_text"},
          {"moe_intermediate_size", or_null(shape.expert_width)},
          {"num_attention_heads", shape.heads},
          {"num_experts", or_null(shape.experts)},
          {"num_global_key_value_heads", or_null(shape.global_kv_heads)},
          {"num_hidden_layers", shape.layers},
          {"num_key_value_heads", shape.kv_heads},
          {"num_kv_shared_layers", shape.shared_layers},
          {"pad_token_id", 0},
          {"rms_norm_eps", 1e-6},
          {"rope_parameters", ropes},
          {"sliding_window", shape.window},
          {"tie_word_embeddings", true},
          {"top_k_experts", or_null(shape.top_k)},
          {"use_bidirectional_attention", shape.vision_mask ? json("vision") : json()},
          {"use_cache", true},
          {"use_double_wide_mlp", shape.wide_mlp},
          {"vocab_size", kVocab},
          {"vocab_size_per_layer_input", kVocab}};
}

/// Entries of layers that are gone.
void trim_per_layer_config(json& text, int64_t layers) {
  const auto table = text.find("per_layer_config");
  if (table == text.end() || !table->is_object()) return;
  json kept = json::object();
  for (const auto& [key, value] : table->items()) {
    int64_t index = 0;
    std::from_chars(key.data(), key.data() + key.size(), index);
    if (index < layers) kept[key] = value;
  }
  *table = std::move(kept);
}

}  // namespace

json config_like(std::string_view name) {
  return {{"architectures", {"Gemma4ForConditionalGeneration"}},
          {"audio_config", nullptr},
          {"audio_token_id", 258881},
          {"boa_token_id", 256000},
          {"boi_token_id", 255999},
          {"dtype", "bfloat16"},
          {"eoa_token_id", 258883},
          {"eoa_token_index", 258883},
          {"eoi_token_id", 258882},
          {"eos_token_id", {1, 106}},
          {"image_token_id", 258880},
          {"initializer_range", 0.02},
          {"model_type", "gemma4"},
          {"text_config", text_config(find_shape(name))},
          {"tie_word_embeddings", true},
          {"video_token_id", 258884},
          {"vision_config", nullptr},
          {"vision_soft_tokens_per_image", 280}};
}

void strip_config(json& config) {
  for (const char* key : {"quantization", "quantization_config", "octavo"}) config.erase(key);
  for (const char* key : {"vision_config", "audio_config"}) {
    if (config.contains(key)) config[key] = nullptr;
  }
}

void keep_layers(json& config, int64_t layers, const std::string& source) {
  const ModelConfig before = ModelConfig::parse(config, source);
  const auto available = static_cast<int64_t>(before.text.layers.size());
  if (layers < 1 || layers > available) {
    fail(ErrorCode::kBadRequest, "--layers {}: {} has {} layers; expected 1 to {}", layers, source,
         available, available);
  }
  json& text = config.contains("text_config") ? config["text_config"] : config;
  json types = json::array();
  for (int64_t i = 0; i < layers; ++i) {
    const bool full = before.text.layers[static_cast<size_t>(i)].full_attention || i == layers - 1;
    types.push_back(full ? "full_attention" : "sliding_attention");
  }
  const int64_t first_shared = available - before.text.num_kv_shared_layers;
  text["layer_types"] = std::move(types);
  text["num_hidden_layers"] = layers;
  text["num_kv_shared_layers"] = std::max<int64_t>(0, layers - first_shared);
  trim_per_layer_config(text, layers);
}

}  // namespace octavo::synth
