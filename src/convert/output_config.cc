#include "convert/output_config.h"

#include <algorithm>

#include "octavo/version.h"

namespace octavo::convert {
namespace {

using nlohmann::json;

void set_missing(json& object, const char* key, json value) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) object[key] = std::move(value);
}

json rope_json(const RopeConfig& rope, bool proportional) {
  json result{{"rope_theta", rope.theta}, {"rope_type", proportional ? "proportional" : "default"}};
  if (proportional) result["partial_rotary_factor"] = rope.partial_rotary_factor;
  if (rope.factor != 1.0) result["factor"] = rope.factor;
  return result;
}

/// mlx-lm and transformers have different defaults for these: nothing is left to be guessed.
void write_out(json& text, const ModelConfig& config) {
  const TextConfig& typed = config.text;
  json types = json::array();
  const LayerConfig* full = nullptr;
  const LayerConfig* sliding = nullptr;
  for (const LayerConfig& layer : typed.layers) {
    types.push_back(layer.full_attention ? "full_attention" : "sliding_attention");
    (layer.full_attention ? full : sliding) = &layer;
  }
  const LayerConfig& local = sliding ? *sliding : *full;
  set_missing(text, "layer_types", std::move(types));
  set_missing(text, "num_hidden_layers", typed.layers.size());
  set_missing(text, "head_dim", local.head_dim);
  set_missing(text, "num_key_value_heads", local.kv_heads);
  if (full) {  // the two keys that per_layer_config replaces in newer configurations
    set_missing(text, "global_head_dim", full->head_dim);
    if (full->k_is_v) set_missing(text, "num_global_key_value_heads", full->kv_heads);
  }
  set_missing(text, "attention_k_eq_v", full && full->k_is_v);
  set_missing(text, "sliding_window", typed.sliding_window);
  set_missing(text, "vocab_size", typed.vocab_size);
  set_missing(text, "max_position_embeddings", typed.max_position_embeddings);
  set_missing(text, "rms_norm_eps", typed.rms_norm_eps);
  set_missing(text, "num_kv_shared_layers", typed.num_kv_shared_layers);
  set_missing(text, "use_double_wide_mlp", typed.use_double_wide_mlp);
  set_missing(text, "hidden_size_per_layer_input", typed.hidden_size_per_layer_input);
  set_missing(text, "vocab_size_per_layer_input", typed.vocab_size_per_layer_input);
  set_missing(text, "enable_moe_block", typed.moe);
  set_missing(text, "tie_word_embeddings", typed.tie_word_embeddings);
  set_missing(text, "rope_parameters",
              {{"sliding_attention", rope_json(typed.sliding_rope, false)},
               {"full_attention", rope_json(typed.full_rope, true)}});
  if (!text.contains("final_logit_softcapping")) {
    text["final_logit_softcapping"] =
        typed.final_logit_softcapping > 0 ? json(typed.final_logit_softcapping) : json(nullptr);
  }
}

const char* dtype_name(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF16:
      return "float16";
    case Dtype::kF32:
      return "float32";
    default:
      return "bfloat16";
  }
}

void set_dtype(json& config, const char* dtype) {
  config["dtype"] = dtype;
  if (config.contains("torch_dtype")) config["torch_dtype"] = dtype;
  for (const char* part : {"text_config", "vision_config", "audio_config"}) {
    const auto found = config.find(part);
    if (found == config.end() || !found->is_object()) continue;
    for (const char* key : {"dtype", "torch_dtype"}) {
      if (found->contains(key)) (*found)[key] = dtype;
    }
  }
}

json spec_json(const QuantSpec& spec) {
  return {{"bits", spec.bits}, {"group_size", spec.group_size}, {"mode", to_string(spec.mode)}};
}

json quantization_block(const Plan& plan) {
  json block = spec_json(plan.top);
  for (const PlannedTensor& planned : plan.tensors) {
    if (!planned.spec || *planned.spec == plan.top) continue;
    block[std::string(module_path(planned.tensor.name))] = spec_json(*planned.spec);
  }
  return block;
}

const char* scale_name(ScaleRule rule) {
  switch (rule) {
    case ScaleRule::kCompat:
      return "compat";
    case ScaleRule::kCompatCpu:
      return "compat-cpu";
    default:
      return "default";
  }
}

}  // namespace

json output_config(const SourceModel& source, const Plan& plan, const ConvertOptions& options,
                   int awq_groups) {
  json config = source.config;
  config.erase("_name_or_path");
  const bool nested = config.contains("text_config");
  write_out(nested ? config["text_config"] : config, source.parsed);
  // mlx-lm takes the vocabulary from the top level, whatever text_config says.
  config["vocab_size"] = source.parsed.text.vocab_size;
  set_missing(config, "tie_word_embeddings", source.parsed.text.tie_word_embeddings);
  set_dtype(config, dtype_name(options.dtype));
  json record{{"version", kVersion}, {"awq_groups", awq_groups}};
  if (plan.recipe) {
    record["recipe"] = plan.recipe->name;
    record["recipe_version"] = plan.recipe->version;
    record["scale_rule"] = scale_name(options.scale.value_or(ScaleRule::kDefault));
    config["quantization"] = quantization_block(plan);
    config["quantization_config"] = config["quantization"];
  }
  config["octavo"] = std::move(record);
  return config;
}

}  // namespace octavo::convert
