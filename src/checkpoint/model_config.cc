#include "checkpoint/model_config.h"

#include "base/fail.h"
#include "checkpoint/config_reader.h"
#include "checkpoint/text_config.h"

namespace octavo {
namespace {

constexpr IntRange kWidth{1, 1 << 20};
constexpr IntRange kTokenId{0, INT32_MAX};

std::string parse_model_type(const ConfigReader& root) {
  const std::string type = root.string("model_type");
  if (type != "gemma4" && type != "gemma4_text") {
    fail(ErrorCode::kUnsupported, "{} '{}' is not supported; expected gemma4 or gemma4_text",
         root.where("model_type"), printable(type));
  }
  return type;
}

// transformers takes rope_theta from beside rope_parameters where these lack it.
double parse_vision_theta(const ConfigReader& vision) {
  constexpr double kMin = 1.0, kMax = 1e12;
  const double outer = vision.number("rope_theta", kMin, kMax, 100.0);
  const auto rope = vision.object("rope_parameters");
  if (!rope) return outer;
  const std::string type = rope->string("rope_type", "axial");
  // transformers 5.24 renames "default" to "axial" on load.
  if (type != "axial" && type != "default") {
    fail(ErrorCode::kUnsupported, "{} '{}' is not supported; expected axial or default",
         rope->where("rope_type"), printable(type));
  }
  if (rope->number("factor", 1e-6, 1e6, 1.0) != 1.0 ||
      rope->number("partial_rotary_factor", 0.0, 1.0, 1.0) != 1.0) {
    fail(ErrorCode::kUnsupported,
         "{} with a partial_rotary_factor or factor other than 1 is not supported",
         rope->where(""));
  }
  return rope->number("rope_theta", kMin, kMax, outer);
}

VisionConfig parse_vision_config(const ConfigReader& vision) {
  vision.require("hidden_activation", "gelu_pytorch_tanh");
  vision.require_false("attention_bias");
  VisionConfig config;
  config.hidden_size = vision.integer("hidden_size", kWidth, 768);
  config.intermediate_size = vision.integer("intermediate_size", kWidth, 3072);
  config.num_hidden_layers = vision.integer("num_hidden_layers", {1, 1024}, 16);
  config.num_attention_heads = vision.integer("num_attention_heads", {1, 4096}, 12);
  config.num_key_value_heads = vision.integer("num_key_value_heads", {1, 4096}, 12);
  config.head_dim = vision.integer("head_dim", {1, 4096}, 64);
  config.patch_size = vision.integer("patch_size", {1, 256}, 16);
  config.position_embedding_size = vision.integer("position_embedding_size", kWidth, 10240);
  config.pooling_kernel_size = vision.integer("pooling_kernel_size", {1, 64}, 3);
  config.rms_norm_eps = vision.number("rms_norm_eps", 0.0, 1.0, 1e-6);
  config.rope_theta = parse_vision_theta(vision);
  config.standardize = vision.boolean("standardize", false);
  config.use_clipped_linears = vision.boolean("use_clipped_linears", false);
  // Half of a head turns with the row of a patch, half with its column, each in pairs.
  if (config.head_dim % 4 != 0) {
    fail(ErrorCode::kBadFile, "{} is {}, expected a multiple of 4", vision.where("head_dim"),
         config.head_dim);
  }
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    fail(ErrorCode::kBadFile, "{} is {}, expected a multiple of num_key_value_heads = {}",
         vision.where("num_attention_heads"), config.num_attention_heads,
         config.num_key_value_heads);
  }
  return config;
}

// A token id stands at top level, in text_config, or in both; the outer one wins.
const ConfigReader& holder(std::string_view key, const ConfigReader& root,
                           const ConfigReader& text) {
  return root.find(key) != nullptr ? root : text;
}

void parse_token_ids(const ConfigReader& root, const ConfigReader& text, ModelConfig& config) {
  for (int64_t id : holder("eos_token_id", root, text).integers("eos_token_id", kTokenId)) {
    config.eos_token_ids.push_back(static_cast<int32_t>(id));
  }
  if (config.eos_token_ids.empty()) config.eos_token_ids = {1};
  const auto id = [&](std::string_view key, int64_t fallback) {
    return static_cast<int32_t>(holder(key, root, text).integer(key, kTokenId, fallback));
  };
  config.bos_token_id = id("bos_token_id", 2);
  config.pad_token_id = id("pad_token_id", 0);
  config.image_token_id = id("image_token_id", 258880);
  config.video_token_id = id("video_token_id", 258884);
}

}  // namespace

ModelConfig ModelConfig::parse(const nlohmann::json& config, const std::string& source) {
  if (!config.is_object()) fail(ErrorCode::kBadFile, "{}: not a JSON object", source);
  const ConfigReader root(config, source);
  ModelConfig result;
  result.model_type = parse_model_type(root);
  const bool text_only = result.model_type == "gemma4_text";
  const auto text = text_only ? std::optional(root) : root.object("text_config");
  if (!text) fail(ErrorCode::kBadFile, "{} is missing", root.where("text_config"));
  result.text = parse_text_config(*text, root);
  if (!text_only) {
    if (const auto vision = root.object("vision_config")) {
      result.vision = parse_vision_config(*vision);
    }
    result.has_audio = root.find("audio_config") != nullptr;
  }
  parse_token_ids(root, *text, result);
  result.quantization = QuantizationConfig::parse(config, source);
  return result;
}

}  // namespace octavo
