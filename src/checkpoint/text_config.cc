#include "checkpoint/text_config.h"

#include <charconv>
#include <system_error>

#include "base/fail.h"

namespace octavo {
namespace {

using nlohmann::json;

// Generous bounds: far above any Gemma, low enough that products of two fit 64 bits with ease.
constexpr IntRange kWidth{1, 1 << 20};
constexpr IntRange kHeads{1, 4096};
constexpr IntRange kHeadDim{2, 4096};
constexpr IntRange kVocab{1, 1 << 24};
constexpr IntRange kPositions{1, 1 << 30};

// What the layers share before the per-layer rules are applied.
struct Geometry {
  int64_t layers;
  int64_t head_dim, kv_heads;
  int64_t global_head_dim, global_kv_heads;
  int64_t intermediate_size;
  bool k_eq_v;
};

Geometry parse_geometry(const ConfigReader& text) {
  Geometry g{};
  g.layers = text.integer("num_hidden_layers", {1, 1024});
  g.head_dim = text.integer("head_dim", kHeadDim, 256);
  g.kv_heads = text.integer("num_key_value_heads", kHeads);
  g.intermediate_size = text.integer("intermediate_size", kWidth);
  g.k_eq_v = text.boolean("attention_k_eq_v", false);
  // Newer transformers fold these two into per_layer_config, which then says all.
  const bool folded = text.find("per_layer_config") != nullptr;
  g.global_head_dim = folded ? g.head_dim : text.integer("global_head_dim", kHeadDim, 512);
  g.global_kv_heads = g.kv_heads;
  if (!folded && g.k_eq_v) {
    g.global_kv_heads = text.integer("num_global_key_value_heads", kHeads, g.kv_heads);
  }
  return g;
}

std::vector<bool> full_attention_layers(const ConfigReader& text, int64_t layers) {
  std::vector<bool> full;
  if (const json* types = text.find("layer_types"); types != nullptr) {
    if (!types->is_array() || types->size() != static_cast<size_t>(layers)) {
      fail(ErrorCode::kBadFile, "{} has {} entries, expected num_hidden_layers = {}",
           text.where("layer_types"), types->size(), layers);
    }
    for (const json& type : *types) {
      if (type != "full_attention" && type != "sliding_attention") {
        fail(ErrorCode::kBadFile, "{} holds {}, expected full_attention or sliding_attention",
             text.where("layer_types"), printable(type.dump(-1, ' ', true), 60));
      }
      full.push_back(type == "full_attention");
    }
  } else {
    const int64_t pattern = text.integer("sliding_window_pattern", {1, 1024}, 6);
    for (int64_t i = 0; i < layers; ++i) full.push_back((i + 1) % pattern == 0);
  }
  full.back() = true;  // as transformers forces it
  return full;
}

void apply_per_layer_config(const ConfigReader& text, std::vector<LayerConfig>& layers) {
  const auto table = text.object("per_layer_config");
  if (!table) return;
  for (const auto& [key, value] : table->members().items()) {
    // Decimal, padded with zeros to the width of the last index.
    size_t index = 0;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), index);
    if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size() ||
        index >= layers.size()) {
      fail(ErrorCode::kBadFile, "{} is not the index of one of {} layers", table->where(key),
           layers.size());
    }
    const auto entry = table->object(key);
    if (!entry) continue;
    for (const auto& [name, unused] : entry->members().items()) {
      if (name != "head_dim" && name != "num_key_value_heads") {
        fail(ErrorCode::kUnsupported, "{} is not supported", entry->where(name));
      }
    }
    LayerConfig& layer = layers[index];
    layer.head_dim = entry->integer("head_dim", kHeadDim, layer.head_dim);
    layer.kv_heads = entry->integer("num_key_value_heads", kHeads, layer.kv_heads);
  }
}

void check_layers(const ConfigReader& text, const TextConfig& config) {
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerConfig& layer = config.layers[i];
    if (layer.head_dim % 2 != 0) {
      fail(ErrorCode::kBadFile, "{}: layer {} has head_dim {}, expected an even number",
           text.source(), i, layer.head_dim);
    }
    if (config.num_attention_heads % layer.kv_heads != 0) {
      fail(ErrorCode::kBadFile,
           "{} is {}, expected a multiple of the {} key/value heads of layer {}",
           text.where("num_attention_heads"), config.num_attention_heads, layer.kv_heads, i);
    }
  }
}

// A shared layer takes keys and values of the last layer of its own type below all shared ones.
void assign_kv_layers(const ConfigReader& text, TextConfig& config) {
  const int64_t first = std::ssize(config.layers) - config.num_kv_shared_layers;
  for (int64_t i = 0; i < std::ssize(config.layers); ++i) {
    LayerConfig& layer = config.layers[i];
    layer.kv_layer = i;
    if (i < first) continue;
    layer.kv_layer = first - 1;
    while (layer.kv_layer >= 0 &&
           config.layers[layer.kv_layer].full_attention != layer.full_attention) {
      --layer.kv_layer;
    }
    if (layer.kv_layer >= 0 && config.layers[layer.kv_layer].head_dim == layer.head_dim &&
        config.layers[layer.kv_layer].kv_heads == layer.kv_heads) {
      continue;
    }
    fail(ErrorCode::kBadFile,
         "{} is {}, but the last layer below {} of the type of shared layer {} {}",
         text.where("num_kv_shared_layers"), config.num_kv_shared_layers, first, i,
         layer.kv_layer < 0 ? "does not exist" : "has heads of another shape");
  }
}

std::vector<LayerConfig> parse_layers(const ConfigReader& text, const TextConfig& config) {
  const Geometry g = parse_geometry(text);
  const std::vector<bool> full = full_attention_layers(text, g.layers);
  const int64_t first_shared = g.layers - config.num_kv_shared_layers;
  std::vector<LayerConfig> layers;
  for (int64_t i = 0; i < g.layers; ++i) {
    LayerConfig layer;
    layer.full_attention = full[static_cast<size_t>(i)];
    layer.head_dim = layer.full_attention ? g.global_head_dim : g.head_dim;
    layer.kv_heads = layer.full_attention ? g.global_kv_heads : g.kv_heads;
    layer.k_is_v = layer.full_attention && g.k_eq_v;
    const bool wide = config.use_double_wide_mlp && i >= first_shared;
    layer.intermediate_size = g.intermediate_size * (wide ? 2 : 1);
    layers.push_back(layer);
  }
  apply_per_layer_config(text, layers);
  return layers;
}

RopeConfig parse_rope(const ConfigReader& rope, RopeConfig defaults) {
  RopeConfig result = defaults;
  result.theta = rope.number("rope_theta", 1.0, 1e12, defaults.theta);
  result.factor = rope.number("factor", 1e-6, 1e6, 1.0);
  const std::string type = rope.string("rope_type", "default");
  if (type == "proportional") {
    result.partial_rotary_factor = rope.number("partial_rotary_factor", 0.0, 1.0, 1.0);
    if (result.partial_rotary_factor == 0) {
      fail(ErrorCode::kBadFile, "{} is 0, expected more", rope.where("partial_rotary_factor"));
    }
    return result;
  }
  if (type != "default") {
    fail(ErrorCode::kUnsupported, "{} '{}' is not supported; expected default or proportional",
         rope.where("rope_type"), printable(type));
  }
  if (rope.number("partial_rotary_factor", 0.0, 1.0, 1.0) != 1.0 || result.factor != 1.0) {
    fail(ErrorCode::kUnsupported,
         "{} 'default' with a partial_rotary_factor or factor other than 1 is not supported",
         rope.where("rope_type"));
  }
  result.partial_rotary_factor = 1.0;
  return result;
}

void parse_ropes(const ConfigReader& text, TextConfig& config) {
  config.sliding_rope = {10000.0, 1.0, 1.0};
  config.full_rope = {1000000.0, 0.25, 1.0};
  const auto ropes = text.object("rope_parameters");
  if (!ropes) return;
  const auto sliding = ropes->object("sliding_attention");
  const auto full = ropes->object("full_attention");
  if (!sliding || !full) {
    fail(ErrorCode::kBadFile, "{} is missing",
         ropes->where(sliding ? "full_attention" : "sliding_attention"));
  }
  config.sliding_rope = parse_rope(*sliding, config.sliding_rope);
  config.full_rope = parse_rope(*full, config.full_rope);
}

// floor(factor * head_dim / 2) dimension pairs rotate: at least one must.
void check_rotation(const ConfigReader& text, const TextConfig& config) {
  for (const LayerConfig& layer : config.layers) {
    const RopeConfig& rope = layer.full_attention ? config.full_rope : config.sliding_rope;
    if (rope.partial_rotary_factor * static_cast<double>(layer.head_dim) / 2 < 1) {
      fail(ErrorCode::kBadFile, "{}: partial_rotary_factor {} of head_dim {} rotates nothing",
           text.where("rope_parameters"), rope.partial_rotary_factor, layer.head_dim);
    }
  }
}

void parse_experts(const ConfigReader& text, TextConfig& config) {
  config.moe = text.boolean("enable_moe_block", false);
  if (!config.moe) return;
  config.num_experts = text.integer("num_experts", {1, 65536});
  config.top_k_experts = text.integer("top_k_experts", {1, config.num_experts});
  const bool old_name = text.find("moe_intermediate_size") == nullptr &&
                        text.find("expert_intermediate_size") != nullptr;
  config.moe_intermediate_size =
      text.integer(old_name ? "expert_intermediate_size" : "moe_intermediate_size", kWidth);
}

bool parse_bidirectional(const ConfigReader& text) {
  const std::string value = text.string("use_bidirectional_attention", "");
  if (!value.empty() && value != "vision") {
    fail(ErrorCode::kUnsupported, "{} '{}' is not supported; expected null or vision",
         text.where("use_bidirectional_attention"), printable(value));
  }
  return value == "vision";
}

// mlx-lm takes the size at top level, transformers the one in text_config: they must agree.
int64_t parse_vocab_size(const ConfigReader& text, const ConfigReader& root) {
  const int64_t size = text.integer("vocab_size", kVocab, 262144);
  const int64_t outer = root.integer("vocab_size", kVocab, size);
  if (outer != size) {
    fail(ErrorCode::kBadFile, "{} is {}, but vocab_size at top level is {}",
         text.where("vocab_size"), size, outer);
  }
  return size;
}

}  // namespace

TextConfig parse_text_config(const ConfigReader& text, const ConfigReader& root) {
  text.require("hidden_activation", "gelu_pytorch_tanh");
  text.require_false("attention_bias");
  TextConfig config;
  config.vocab_size = parse_vocab_size(text, root);
  config.hidden_size = text.integer("hidden_size", kWidth);
  config.num_attention_heads = text.integer("num_attention_heads", kHeads);
  config.sliding_window = text.integer("sliding_window", kPositions, 512);
  config.max_position_embeddings = text.integer("max_position_embeddings", kPositions, 131072);
  config.rms_norm_eps = text.number("rms_norm_eps", 0.0, 1.0, 1e-6);
  config.final_logit_softcapping = text.number("final_logit_softcapping", 0.0, 1e6, 0.0);
  config.tie_word_embeddings =
      text.boolean("tie_word_embeddings", root.boolean("tie_word_embeddings", true));
  config.bidirectional_vision = parse_bidirectional(text);
  // Both reference implementations take a missing key for 256; null is seen where 0 is meant.
  config.hidden_size_per_layer_input =
      text.members().contains("hidden_size_per_layer_input")
          ? text.integer("hidden_size_per_layer_input", {0, kWidth.max}, 0)
          : 256;
  config.vocab_size_per_layer_input =
      text.integer("vocab_size_per_layer_input", kVocab, config.vocab_size);
  if (config.hidden_size_per_layer_input > 0 &&
      config.vocab_size_per_layer_input < config.vocab_size) {
    fail(ErrorCode::kBadFile, "{} is {}, expected at least vocab_size = {}",
         text.where("vocab_size_per_layer_input"), config.vocab_size_per_layer_input,
         config.vocab_size);
  }
  config.num_kv_shared_layers = text.integer("num_kv_shared_layers", {0, 1024}, 0);
  config.use_double_wide_mlp = text.boolean("use_double_wide_mlp", false);
  const int64_t layers = text.integer("num_hidden_layers", {1, 1024});
  if (config.num_kv_shared_layers >= layers) {
    fail(ErrorCode::kBadFile, "{} is {}, expected less than num_hidden_layers = {}",
         text.where("num_kv_shared_layers"), config.num_kv_shared_layers, layers);
  }
  config.layers = parse_layers(text, config);
  parse_ropes(text, config);
  parse_experts(text, config);
  check_layers(text, config);
  assign_kv_layers(text, config);
  check_rotation(text, config);
  return config;
}

}  // namespace octavo
