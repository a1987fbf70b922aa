#include "model/gemma4_work.h"

#include <algorithm>

namespace octavo {
namespace {

uint64_t macs(const WeightMatrix& m) {
  return static_cast<uint64_t>(m.rows * m.cols);
}

uint64_t row_bytes(const WeightMatrix& table) {
  return static_cast<uint64_t>(table.slice(0, 1).bytes());
}

}  // namespace

ModelWork work_of(const Gemma4Weights& weights, const TextConfig& text) {
  ModelWork work;
  work.top_k = text.moe ? text.top_k_experts : 0;
  work.head_macs = macs(weights.head);
  work.shared_bytes = static_cast<uint64_t>(weights.head.bytes());
  work.row_bytes = row_bytes(weights.embed_tokens);
  const auto add_shared = [&](const WeightMatrix& m) {
    work.shared_bytes += static_cast<uint64_t>(m.bytes());
    work.token_macs += macs(m);
  };
  if (const auto& inputs = weights.per_layer_inputs) {
    add_shared(inputs->model_projection);
    work.row_bytes += row_bytes(inputs->table);
  }
  for (const LayerWeights& layer : weights.layers) {
    for (const WeightMatrix* m :
         {&layer.q_proj, &layer.o_proj, &layer.mlp.gate, &layer.mlp.up, &layer.mlp.down}) {
      add_shared(*m);
    }
    if (layer.k_proj) add_shared(*layer.k_proj);
    if (layer.v_proj) add_shared(*layer.v_proj);
    if (layer.per_layer_gate) {
      add_shared(layer.per_layer_gate->gate);
      add_shared(layer.per_layer_gate->projection);
    }
    if (!layer.moe) continue;
    add_shared(layer.moe->router.proj);
    const ExpertBank& bank = layer.moe->experts;
    for (const ExpertStack* stack : {&bank.gate, &bank.up, &bank.down}) {
      const WeightMatrix one = stack->expert(0);
      work.expert_bytes += static_cast<uint64_t>(one.bytes());
      work.token_macs += static_cast<uint64_t>(work.top_k) * macs(one);
    }
  }
  return work;
}

uint64_t attention_macs_of(const TextConfig& text, int64_t begin, int64_t end) {
  // Sum over [begin, end) of the keys that each position sees, in a full and in a sliding layer.
  int64_t full = 0, sliding = 0;
  for (int64_t position = begin; position < end; ++position) {
    full += position + 1;
    sliding += std::min(position + 1, text.sliding_window);
  }
  int64_t total = 0;
  for (const LayerConfig& layer : text.layers) {
    // Once for the score, once for the sum of values.
    total +=
        2 * text.num_attention_heads * layer.head_dim * (layer.full_attention ? full : sliding);
  }
  return static_cast<uint64_t>(total);
}

}  // namespace octavo
