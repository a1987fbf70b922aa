#include "model/gemma4_weights.h"

#include <string>

#include "base/fail.h"
#include "model/weight_binder.h"

namespace octavo {
namespace {

/// The start of the names of the text model's tensors.
std::string text_prefix(const Checkpoint& checkpoint) {
  for (const char* prefix : {"language_model.model.", "model.language_model.",
                             "model.language_model.model.", "language_model.", "model.", ""}) {
    if (checkpoint.find(std::string(prefix) + "embed_tokens.weight") != nullptr) return prefix;
  }
  fail(ErrorCode::kBadFile, "{}: no embed_tokens.weight under any known name",
       checkpoint.folder().string());
}

WeightMatrix bind_head(const Checkpoint& checkpoint, const ModelConfig& config) {
  for (const char* prefix : {"", "language_model."}) {
    const WeightBinder binder(checkpoint, config, prefix);
    if (!binder.has("lm_head.weight")) continue;
    return binder.matrix("lm_head", config.text.vocab_size, config.text.hidden_size);
  }
  fail(ErrorCode::kBadFile, "{}: lm_head.weight is missing although tie_word_embeddings is false",
       checkpoint.folder().string());
}

ExpertBank bind_experts(const WeightBinder& binder, const std::string& layer,
                        const TextConfig& text) {
  const int64_t experts = text.num_experts, width = text.moe_intermediate_size;
  const std::string path = layer + "experts.";
  ExpertBank bank;
  if (binder.has(path + "gate_up_proj") || binder.has(path + "gate_up_proj.weight")) {
    const WeightMatrix fused =
        binder.stack(path + "gate_up_proj", experts, 2 * width, text.hidden_size);
    bank.gate = {fused, 2 * width, 0, width};
    bank.up = {fused, 2 * width, width, width};
    bank.down = {binder.stack(path + "down_proj", experts, text.hidden_size, width),
                 text.hidden_size, 0, text.hidden_size};
    return bank;
  }
  const std::string split = path + "switch_glu.";
  bank.gate = {binder.stack(split + "gate_proj", experts, width, text.hidden_size), width, 0,
               width};
  bank.up = {binder.stack(split + "up_proj", experts, width, text.hidden_size), width, 0, width};
  bank.down = {binder.stack(split + "down_proj", experts, text.hidden_size, width),
               text.hidden_size, 0, text.hidden_size};
  return bank;
}

MoeWeights bind_moe(const WeightBinder& binder, const std::string& layer, const TextConfig& text) {
  const int64_t hidden = text.hidden_size;
  MoeWeights moe;
  moe.pre_feedforward_layernorm_2 =
      binder.vector(layer + "pre_feedforward_layernorm_2.weight", hidden);
  moe.post_feedforward_layernorm_1 =
      binder.vector(layer + "post_feedforward_layernorm_1.weight", hidden);
  moe.post_feedforward_layernorm_2 =
      binder.vector(layer + "post_feedforward_layernorm_2.weight", hidden);
  moe.router.scale = binder.vector(layer + "router.scale", hidden);
  moe.router.proj = binder.matrix(layer + "router.proj", text.num_experts, hidden);
  moe.router.per_expert_scale = binder.vector(layer + "router.per_expert_scale", text.num_experts);
  moe.experts = bind_experts(binder, layer, text);
  return moe;
}

LayerWeights bind_layer(const WeightBinder& binder, const TextConfig& text, size_t index) {
  const LayerConfig& config = text.layers[index];
  const std::string layer = fmt::format("layers.{}.", index);
  const int64_t hidden = text.hidden_size, dim = config.head_dim;
  const int64_t q_width = text.num_attention_heads * dim, kv_width = config.kv_heads * dim;
  LayerWeights w;
  w.input_layernorm = binder.vector(layer + "input_layernorm.weight", hidden);
  w.post_attention_layernorm = binder.vector(layer + "post_attention_layernorm.weight", hidden);
  w.pre_feedforward_layernorm = binder.vector(layer + "pre_feedforward_layernorm.weight", hidden);
  w.post_feedforward_layernorm = binder.vector(layer + "post_feedforward_layernorm.weight", hidden);
  w.q_proj = binder.matrix(layer + "self_attn.q_proj", q_width, hidden);
  w.k_proj = binder.matrix(layer + "self_attn.k_proj", kv_width, hidden);
  if (!config.k_is_v) w.v_proj = binder.matrix(layer + "self_attn.v_proj", kv_width, hidden);
  w.o_proj = binder.matrix(layer + "self_attn.o_proj", hidden, q_width);
  w.q_norm = binder.vector(layer + "self_attn.q_norm.weight", dim);
  w.k_norm = binder.vector(layer + "self_attn.k_norm.weight", dim);
  w.mlp.gate = binder.matrix(layer + "mlp.gate_proj", config.intermediate_size, hidden);
  w.mlp.up = binder.matrix(layer + "mlp.up_proj", config.intermediate_size, hidden);
  w.mlp.down = binder.matrix(layer + "mlp.down_proj", hidden, config.intermediate_size);
  if (text.moe) w.moe = bind_moe(binder, layer, text);
  w.layer_scalar = binder.vector(layer + "layer_scalar", 1)[0];
  return w;
}

}  // namespace

Gemma4Weights bind_weights(const Checkpoint& checkpoint, const ModelConfig& config) {
  const TextConfig& text = config.text;
  const WeightBinder binder(checkpoint, config, text_prefix(checkpoint));
  Gemma4Weights weights;
  weights.embed_tokens = binder.matrix("embed_tokens", text.vocab_size, text.hidden_size);
  weights.head = text.tie_word_embeddings ? weights.embed_tokens : bind_head(checkpoint, config);
  weights.norm = binder.vector("norm.weight", text.hidden_size);
  for (size_t i = 0; i < text.layers.size(); ++i) {
    weights.layers.push_back(bind_layer(binder, text, i));
  }
  return weights;
}

}  // namespace octavo
