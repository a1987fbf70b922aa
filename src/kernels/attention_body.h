// kernels: attention of one query position.
// Part of body.h: see there.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/formats.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

template <class V, bool kBF16>
V load_kv(const std::byte* p) {
  if constexpr (kBF16) {
    return V::load_bf16(reinterpret_cast<const uint8_t*>(p));
  } else {
    return load_f32_bytes<V>(reinterpret_cast<const uint8_t*>(p));
  }
}

template <class V, bool kBF16>
const std::byte* kv_row(const KvView& view, int64_t position, int64_t head_dim) {
  return view.blocks[position / view.block_tokens] + view.offset +
         position % view.block_tokens * head_dim * (kBF16 ? 2 : 4);
}

/// scores[g][p - begin] for kHeads query heads from `head` on.
template <class V, bool kBF16, int kHeads>
void score_heads(const AttentionArgs& a, int64_t head) {
  constexpr int kSize = kBF16 ? 2 : 4;
  for (int64_t p = a.begin; p < a.end; ++p) {
    const std::byte* key = kv_row<V, kBF16>(a.keys, p, a.head_dim);
    V sums[kHeads];
    for (int h = 0; h < kHeads; ++h) sums[h] = V::zero();
    for (int64_t d = 0; d < a.head_dim; d += 16) {
      const V k = load_kv<V, kBF16>(key + d * kSize);
      for (int h = 0; h < kHeads; ++h) {
        sums[h] = V::fma(V::load(a.query + (head + h) * a.head_dim + d), k, sums[h]);
      }
    }
    for (int h = 0; h < kHeads; ++h) {
      a.scores[(head + h) * a.score_stride + p - a.begin] = sums[h].sum();
    }
  }
}

/// Turns the scores of one head into probabilities.
template <class V>
void softmax(float* scores, int64_t n) {
  float maximum = scores[0];
  for (int64_t i = 1; i < n; ++i) maximum = maximum < scores[i] ? scores[i] : maximum;
  const V shift = V::broadcast(maximum);
  V sums = V::zero();
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const V e = exp(V::load(scores + i) - shift);
    e.store(scores + i);
    sums = sums + e;
  }
  if (i < n) {
    float tail[16] = {};
    const auto bytes = static_cast<size_t>(n - i) * sizeof(float);
    std::memcpy(tail, scores + i, bytes);
    exp(V::load(tail) - shift).store(tail);
    for (int64_t j = n - i; j < 16; ++j) tail[j] = 0.0f;
    sums = sums + V::load(tail);
    std::memcpy(scores + i, tail, bytes);
  }
  const V inverse = V::broadcast(1.0f / sums.sum());
  transform<V>(scores, scores, n, scores, [&](V s, V) { return s * inverse; });
}

/// out[head..][16 * chunk..] for kHeads heads and kChunks chunks of the head dimension.
template <class V, bool kBF16, int kHeads, int kChunks>
void mix_values(const AttentionArgs& a, int64_t head, int64_t chunk) {
  constexpr int kSize = kBF16 ? 2 : 4;
  V sums[kHeads][kChunks];
  for (int h = 0; h < kHeads; ++h) {
    for (int c = 0; c < kChunks; ++c) sums[h][c] = V::zero();
  }
  const float* weights = a.scores + head * a.score_stride;
  for (int64_t p = a.begin; p < a.end; ++p) {
    const std::byte* value = kv_row<V, kBF16>(a.values, p, a.head_dim) + chunk * 16 * kSize;
    V w[kHeads];
    for (int h = 0; h < kHeads; ++h) w[h] = V::broadcast(weights[h * a.score_stride + p - a.begin]);
    for (int c = 0; c < kChunks; ++c) {
      const V v = load_kv<V, kBF16>(value + c * 16 * kSize);
      for (int h = 0; h < kHeads; ++h) sums[h][c] = V::fma(w[h], v, sums[h][c]);
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    for (int c = 0; c < kChunks; ++c) {
      sums[h][c].store(a.out + (head + h) * a.head_dim + (chunk + c) * 16);
    }
  }
}

template <class V, bool kBF16, int kHeads>
void attend_heads(const AttentionArgs& a, int64_t head) {
  constexpr int kChunks = 4;
  score_heads<V, kBF16, kHeads>(a, head);
  for (int h = 0; h < kHeads; ++h) {
    softmax<V>(a.scores + (head + h) * a.score_stride, a.end - a.begin);
  }
  const int64_t chunks = a.head_dim / 16;
  int64_t c = 0;
  for (; c + kChunks <= chunks; c += kChunks) mix_values<V, kBF16, kHeads, kChunks>(a, head, c);
  for (; c < chunks; ++c) mix_values<V, kBF16, kHeads, 1>(a, head, c);
}

template <class V, bool kBF16>
void attention_kv(const AttentionArgs& a) {
  constexpr int kHeads = V::kTokenTile;
  int64_t head = 0;
  for (; head + kHeads <= a.group; head += kHeads) attend_heads<V, kBF16, kHeads>(a, head);
  for (; head < a.group; ++head) attend_heads<V, kBF16, 1>(a, head);
}

template <class V>
void attention(const AttentionArgs& a) {
  a.keys.bf16 ? attention_kv<V, true>(a) : attention_kv<V, false>(a);
}

}  // namespace
}  // namespace octavo
