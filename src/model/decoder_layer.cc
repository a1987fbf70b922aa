#include "model/decoder_layer.h"

#include <utility>

namespace octavo {
namespace {

Tensor self_attention(const LayerContext& c, const LayerWeights& w, const Tensor& x) {
  const LayerConfig& layer = c.text.layers[c.index];
  std::vector<const WeightMatrix*> projections{&w.q_proj, &w.k_proj};
  if (w.v_proj) projections.push_back(&*w.v_proj);
  const std::vector<Tensor> qkv = c.backend.linear(Op::kQkv, x, projections);
  // Without v_proj the value is the raw key projection: before k_norm, before RoPE.
  const Tensor& v = w.v_proj ? qkv[2] : qkv[1];
  // Full layers stay causal, over pictures too.
  const auto pictures = layer.full_attention ? std::span<const TokenRun>() : c.pictures;
  const AttentionParams params{.layer = c.index,
                               .heads = c.text.num_attention_heads,
                               .kv_heads = layer.kv_heads,
                               .head_dim = layer.head_dim,
                               .window = layer.full_attention ? 0 : c.text.sliding_window,
                               .q_norm = w.q_norm,
                               .k_norm = w.k_norm,
                               .eps = static_cast<float>(c.text.rms_norm_eps),
                               .pictures = pictures};
  const Tensor heads = c.backend.attention(params, qkv[0], qkv[1], v, c.rope, c.segments);
  const WeightMatrix* out[] = {&w.o_proj};
  return std::move(c.backend.linear(Op::kOProj, heads, out)[0]);
}

/// The dense MLP and, beside it, the experts. The router reads the residual itself, un-normed.
Tensor feed_forward(const LayerContext& c, const LayerWeights& w, const Tensor& residual) {
  Backend& b = c.backend;
  const auto eps = static_cast<float>(c.text.rms_norm_eps);
  const Tensor x = b.norm(residual, w.pre_feedforward_layernorm, eps);
  Tensor dense = b.gated_mlp(x, w.mlp.gate, w.mlp.up, w.mlp.down);
  if (!w.moe) return dense;

  const MoeWeights& moe = *w.moe;
  const Routing routing = b.route(residual, moe.router, c.text.top_k_experts, eps);
  const Tensor expert_input = b.norm(residual, moe.pre_feedforward_layernorm_2, eps);
  const Tensor sparse = b.experts(expert_input, routing, moe.experts);
  return b.add(b.norm(dense, moe.post_feedforward_layernorm_1, eps),
               b.norm(sparse, moe.post_feedforward_layernorm_2, eps));
}

}  // namespace

Tensor decoder_layer(const LayerContext& c, const LayerWeights& w, Tensor h) {
  Backend& b = c.backend;
  const auto eps = static_cast<float>(c.text.rms_norm_eps);

  const Tensor attended = self_attention(c, w, b.norm(h, w.input_layernorm, eps));
  h = b.add_norm(h, attended, w.post_attention_layernorm, eps, 1.0f);

  // The layer scalar multiplies the whole stream, the residual included.
  const Tensor fed = feed_forward(c, w, h);
  return b.add_norm(h, fed, w.post_feedforward_layernorm, eps, w.layer_scalar);
}

}  // namespace octavo
