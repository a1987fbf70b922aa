// kernels: attention of a tile of queries over one span of keys, and the merging of spans.
// Part of body.h: see there. The order of operations is fixed in attention.h.
#pragma once

#include <algorithm>

#include "kernels/attention_panels.h"
#include "kernels/elementwise.h"

namespace octavo {
namespace {

// A row of partial results: the sums of values, then these.
inline constexpr int64_t kLaneSums = 0, kMaximum = 16;

// Multiply-adds in a row, at most, before their sum goes to the others: rounding errors grow with
// the length of a chain.
inline constexpr int64_t kChain = 128;

template <class V>
float exp_one(float x) {
  float lanes[16];
  exp(V::broadcast(x)).store(lanes);
  return lanes[0];
}

/// The slots of a block that one query sees.
struct Visible {
  int64_t first, last;  // [first, last)
  bool operator==(const Visible&) const = default;
  bool empty() const { return first >= last; }
};

inline Visible visible(const AttentionTile& t, int64_t position, int64_t block) {
  const int64_t start = block * kKvBlock;
  return {std::max<int64_t>(t.begin(position) - start, 0),
          std::min<int64_t>(t.end(position) - start, kKvBlock)};
}

/// Turns the scores of one row and block into probabilities relative to the largest score so far,
/// and brings the row's sums to that scale.
template <class V>
void update_row(float* scores, Visible slots, float* sums, int64_t head_dim) {
  constexpr float kHidden = -__builtin_inff();
  std::fill(scores, scores + slots.first, kHidden);
  std::fill(scores + slots.last, scores + kKvBlock, kHidden);
  V s[4];
  for (int i = 0; i < 4; ++i) s[i] = V::load(scores + i * 16);
  const float top = V::max(V::max(s[0], s[1]), V::max(s[2], s[3])).maximum();
  float* tail = sums + head_dim;
  const float before = tail[kMaximum];
  if (top > before) {
    tail[kMaximum] = top;
    const V factor = V::broadcast(exp_one<V>(before - top));
    for (int64_t i = 0; i < head_dim + 16; i += 16) (V::load(sums + i) * factor).store(sums + i);
  }
  const V shift = V::broadcast(tail[kMaximum]);
  for (int i = 0; i < 4; ++i) exp(s[i] - shift).store(scores + i * 16);
  std::fill(scores, scores + slots.first, 0.0f);
  std::fill(scores + slots.last, scores + kKvBlock, 0.0f);
  for (int i = 0; i < 4; ++i) s[i] = V::load(scores + i * 16);
  (V::load(tail + kLaneSums) + ((s[0] + s[1]) + (s[2] + s[3]))).store(tail + kLaneSums);
}

/// Adds one block to the partial results of positions [begin, end) of the tile, all of which see
/// some of it.
template <class V, class Keys, class Values>
void attend_block(const AttentionTile& t, int64_t block, int64_t begin, int64_t end,
                  const Keys& keys, const Values& values, int64_t ahead, float* partial,
                  float* scores) {
  const int64_t dim = t.kv.layout.head_dim, stride = partial_stride(dim);
  const int64_t first_panel = visible(t, t.first_position + begin, block).first / kKvPanel;
  const int64_t last_slot = visible(t, t.first_position + end - 1, block).last;
  for (int64_t d = 0; d < dim; d += kChain) {
    multiply_panels<V>({.a = t.queries + begin * t.group * t.query_stride,
                        .a_stride = t.query_stride,
                        .rows = (end - begin) * t.group,
                        .panels = (last_slot + kKvPanel - 1) / kKvPanel - first_panel,
                        .begin = d,
                        .end = std::min(d + kChain, dim),
                        .ahead = ahead,
                        .c = scores + begin * t.group * kScoreStride + first_panel * kKvPanel,
                        .c_stride = kScoreStride,
                        .add = d > 0},
                       keys.from(first_panel));
  }
  // Positions that see the same slots together: no other value is touched, whatever it is.
  for (int64_t next = begin; begin < end; begin = next) {
    const Visible slots = visible(t, t.first_position + begin, block);
    for (++next; next < end && visible(t, t.first_position + next, block) == slots;) ++next;
    for (int64_t row = begin * t.group; row < next * t.group; ++row) {
      update_row<V>(scores + row * kScoreStride, slots, partial + row * stride, dim);
    }
    multiply_panels<V>({.a = scores + begin * t.group * kScoreStride,
                        .a_stride = kScoreStride,
                        .rows = (next - begin) * t.group,
                        .panels = dim / kKvPanel,
                        .begin = slots.first,
                        .end = slots.last,
                        .ahead = ahead,
                        .c = partial + begin * t.group * stride,
                        .c_stride = stride,
                        .add = true},
                       values);
  }
}

template <class V>
void attend_format(const AttentionTile& t, int64_t block, int64_t begin, int64_t end, int64_t ahead,
                   float* partial, float* scores) {
  const KvLayout& layout = t.kv.layout;
  const std::byte* keys = t.kv.blocks[block] + t.kv.offset;
  const std::byte* values = keys + layout.plane_bytes();
  const int64_t key_stride = layout.head_dim * kKvPanel * layout.element_bytes();
  const int64_t value_stride = kKvBlock * kKvPanel * layout.element_bytes();
  const auto attend = [&](const auto& k, const auto& v) {
    attend_block<V>(t, block, begin, end, k, v, ahead, partial, scores);
  };
  switch (layout.format) {
    case KvFormat::kF32:
      return attend(FloatPanels<V, 4>{keys, key_stride}, FloatPanels<V, 4>{values, value_stride});
    case KvFormat::kBF16:
      return attend(FloatPanels<V, 2>{keys, key_stride}, FloatPanels<V, 2>{values, value_stride});
    case KvFormat::kInt8: {
      const auto* scales = reinterpret_cast<const float*>(values + layout.plane_bytes());
      return attend(Int8Keys<V>{keys, key_stride, scales},
                    Int8Values<V>{values, value_stride, scales + layout.scale_groups() * kKvBlock});
    }
  }
}

template <class V>
void attention_span(const AttentionTile& t, int64_t span, float* partial, float* scores) {
  const int64_t dim = t.kv.layout.head_dim, stride = partial_stride(dim);
  for (int64_t row = 0; row < t.rows(); ++row) {
    std::fill(partial + row * stride, partial + row * stride + dim + 16, 0.0f);
    partial[row * stride + dim + kMaximum] = -__builtin_inff();
  }
  const int64_t end_key = std::min(t.end(t.last_position()), (span + 1) * kKvSpan);
  const int64_t first_block = std::max(t.begin(t.first_position), span * kKvSpan) / kKvBlock;
  const int64_t last_block = (end_key - 1) / kKvBlock;
  for (int64_t block = first_block; block <= last_block; ++block) {
    int64_t begin = 0, end = t.positions;
    while (visible(t, t.first_position + begin, block).empty()) ++begin;
    while (visible(t, t.first_position + end - 1, block).empty()) --end;
    const int64_t ahead = block < last_block ? t.kv.blocks[block + 1] - t.kv.blocks[block] : 0;
    attend_format<V>(t, block, begin, end, ahead, partial, scores);
  }
}

/// One row of attention_merge: `state` holds the largest score and the sum of probabilities.
template <class V>
void merge_row(const float* partial, int64_t dim, bool first, bool last, float* state, float* out) {
  const float top = partial[dim + kMaximum], sum = V::load(partial + dim + kLaneSums).sum();
  float old_factor = 0.0f, new_factor = 1.0f;
  if (first) {
    state[0] = top;
    state[1] = sum;
  } else {
    const float maximum = top > state[0] ? top : state[0];
    old_factor = exp_one<V>(state[0] - maximum);
    new_factor = exp_one<V>(top - maximum);
    state[0] = maximum;
    state[1] = sum * new_factor + state[1] * old_factor;
  }
  const V a = V::broadcast(old_factor), b = V::broadcast(new_factor);
  const V share = V::broadcast(last ? 1.0f / state[1] : 1.0f);
  for (int64_t i = 0; i < dim; i += 16) {
    const V added = V::load(partial + i);
    const V total = first ? added : V::fma(added, b, V::load(out + i) * a);
    (total * share).store(out + i);
  }
}

template <class V>
void attention_merge(const AttentionTile& t, int64_t span, const float* partial, float* state) {
  const int64_t dim = t.kv.layout.head_dim;
  for (int64_t row = 0; row < t.rows(); ++row) {
    const int64_t i = row / t.group, position = t.first_position + i;
    const int64_t first = t.begin(position) / kKvSpan, last = (t.end(position) - 1) / kKvSpan;
    if (span < first || span > last) continue;
    merge_row<V>(partial + row * partial_stride(dim), dim, span == first, span == last,
                 state + 2 * row, t.out + i * t.out_stride + row % t.group * dim);
  }
}

}  // namespace
}  // namespace octavo
