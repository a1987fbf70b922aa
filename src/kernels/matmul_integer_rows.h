// kernels: products in integers for the few tokens of decoding: rows of weights as they lie.
// Part of body.h: see there, and matmul_integer.h for the sums.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/integer_formats.h"
#include "kernels/kernels.h"
#include "kernels/panel_sizes.h"
#include "kernels/prefetch.h"

namespace octavo {
namespace {

/// The sums of 16 groups come out of the reduction in this order: lane 4 L + j.
template <bool kHalf>
constexpr int lane_of_group(int group) {
  if (kHalf) return group % 4 * 4 + group / 4;  // 16 groups of 16: four blocks
  const int block = group / 2;                  // 16 groups of 32: eight blocks
  return (block / 4 * 2 + group % 2) * 4 + block % 4;
}

/// Which of 16 sides belongs to each lane of a step, for groups of 1 << shift sums, of which the
/// step is part `part` of 1 << shift: index[shift][part][lane].
template <bool kHalf>
struct LaneSides {
  alignas(64) int32_t index[3][4][16] = {};
  constexpr LaneSides() {
    for (int shift = 0; shift < 3; ++shift) {
      for (int part = 0; part < 1 << shift; ++part) {
        for (int i = 0; i < 16; ++i) {
          index[shift][part][lane_of_group<kHalf>(i)] = (part * 16 + i) >> shift;
        }
      }
    }
  }
};

/// Blocks whose sums fill one vector of 16 groups.
template <class F>
constexpr int kStepBlocks = F::kHalfGroups ? 4 : 8;

/// Whether several tokens are multiplied with codes of which each lane has those of its own group,
/// for formats whose codes are bytes: they are then moved once, and not the sums of every token.
template <class V, class F, int kTokens>
constexpr bool kGroupsApart =
    (kTokens > 1 && kByteCodes<F> && !F::kHalfGroups) && requires { V::Ints::kBlocksApart; };

/// Blocks of a step of such a format. An instruction set moves those of a whole step or of half a
/// one together; of half a step each lane has half a group, and add_pairs128 is left to be done.
constexpr int kWholeStep = 2 * kHalfStep;
template <class V>
constexpr bool kWholeApart = V::Ints::kBlocksApart == kWholeStep;

/// The codes of blocks [b, b + kBlocks) of a row of inputs in that order, for each block the first
/// and the second half, `stride` blocks from one to the next. Those past the row's end are zero.
template <class V, int kBlocks>
void set_step_apart(const IntegerRow& x, int64_t b, int64_t blocks, int64_t stride, int16_t* out) {
  using Ints = typename V::Ints;
  Ints first[kBlocks], second[kBlocks];
  for (int i = 0; i < kBlocks; ++i) {
    first[i] = second[i] = Ints::zero();
    if (b + i >= blocks) continue;
    first[i] = Ints::load(x.codes + (b + i) * kIntegerBlock);
    second[i] = Ints::load(x.codes + (b + i) * kIntegerBlock + 32);
  }
  Ints::inputs_apart(first, second);
  for (int i = 0; i < kBlocks; ++i) {
    first[i].store(out + (b + i) * stride * kIntegerBlock);
    second[i].store(out + (b + i) * stride * kIntegerBlock + 32);
  }
}

/// The same for a row: whole steps, if any, of whole blocks, which are `whole`, then half steps.
template <class V>
void set_inputs_apart(const IntegerRow& x, int64_t blocks, int64_t whole, int64_t stride,
                      int16_t* out) {
  int64_t b = 0;
  if constexpr (kWholeApart<V>) {
    for (; b + kWholeStep <= whole; b += kWholeStep) {
      set_step_apart<V, kWholeStep>(x, b, blocks, stride, out);
    }
  }
  for (; b < blocks; b += kHalfStep) set_step_apart<V, kHalfStep>(x, b, blocks, stride, out);
}

template <class V, class F, int kTokens>
struct RowSums {
  using Ints = typename V::Ints;
  /// For one token line by line: asked for in one go, the lines of a step keep its own loads
  /// waiting. With more tokens there is time for that (measured: 6 % faster, 3 % slower).
  static constexpr int kPrefetchBlocks =
      kTokens == 1 ? pieces_of_lines(F::kBlockBytes) : kStepBlocks<F>;
  static_assert(kPrefetchBlocks <= kStepBlocks<F>);

  const Row& row;
  const IntegerRow* x;
  const int16_t* apart;  // set_inputs_apart of the inputs
  int64_t blocks, whole;
  StreamTuning tuning;

  /// Sums over the whole blocks [b, b + kStepBlocks).
  [[gnu::always_inline]] void step_sums(int64_t b, Ints* out) const {
    if constexpr (kGroupsApart<V, F, kTokens>) {
      static_assert(kStepBlocks<F> == kWholeStep);
      F::prefetch(tuning, row, b, kWholeStep);
      if constexpr (kWholeApart<V>) {
        whole_sums<kWholeStep>(b, out);
      } else {
        static_assert(Ints::kBlocksApart == kHalfStep);
        Ints left[kTokens], right[kTokens];
        whole_sums<kHalfStep>(b, left);
        whole_sums<kHalfStep>(b + kHalfStep, right);
        add<kWholeStep>(left, right, out);
      }
    } else {
      sums<kStepBlocks<F>>(b, out);
    }
  }

  /// The same for the blocks from b on that are left of the row.
  [[gnu::always_inline]] void last_sums(int64_t b, Ints* out) const {
    F::prefetch(tuning, row, b, blocks - b);
    if constexpr (kGroupsApart<V, F, kTokens>) {
      Ints left[kTokens], right[kTokens];
      half_sums(b, left);
      for (Ints& sum : right) sum = Ints::zero();
      if (b + kHalfStep < blocks) half_sums(b + kHalfStep, right);
      add<kWholeStep>(left, right, out);
    } else {
      sums_at_end<kStepBlocks<F>>(b, out);
    }
  }

  /// Sums over the whole blocks [b, b + kBlocks) of the products of each token.
  template <int kBlocks>
  [[gnu::always_inline]] void sums(int64_t b, Ints* out) const {
    if constexpr (kBlocks == kPrefetchBlocks) F::prefetch(tuning, row, b, kBlocks);
    if constexpr (kBlocks == 1) {
      block_sums<false>(b, out);
    } else {
      Ints left[kTokens], right[kTokens];
      sums<kBlocks / 2>(b, left);
      sums<kBlocks / 2>(b + kBlocks / 2, right);
      add<kBlocks>(left, right, out);
    }
  }

  /// The same where blocks may lie past the row's end, and the last one may be short or the last
  /// bytes of a mapping.
  template <int kBlocks>
  void sums_at_end(int64_t b, Ints* out) const {
    if constexpr (kBlocks == 1) {
      block_sums<true>(b, out);
    } else {
      Ints left[kTokens], right[kTokens];
      sums_at_end<kBlocks / 2>(b, left);
      if (b + kBlocks / 2 < blocks) {
        sums_at_end<kBlocks / 2>(b + kBlocks / 2, right);
      } else {
        for (Ints& sum : right) sum = Ints::zero();
      }
      add<kBlocks>(left, right, out);
    }
  }

 private:
  [[gnu::always_inline]] Ints load_codes(int64_t b) const {
    return Ints::load(row.weight + b * kIntegerBlock);
  }

  /// Sums over the whole blocks [b, b + kBlocks).
  template <int kBlocks>
  [[gnu::always_inline]] void whole_sums(int64_t b, Ints* out) const {
    Ints codes[kBlocks];
    for (int i = 0; i < kBlocks; ++i) codes[i] = load_codes(b + i);
    sums_apart(b, codes, out);
  }

  /// Sums over blocks [b, b + kHalfStep), which may be short or lie past the row's end.
  [[gnu::always_inline]] void half_sums(int64_t b, Ints* out) const {
    Ints codes[kHalfStep];
    for (int i = 0; i < kHalfStep; ++i) {
      codes[i] = Ints::zero();
      if (b + i < whole) {
        codes[i] = load_codes(b + i);
      } else if (b + i < blocks) {
        F::template with_block<true>(row, b + i,
                                     [&](const uint8_t* p) { codes[i] = Ints::load(p); });
      }
    }
    sums_apart(b, codes, out);
  }

  template <int kBlocks>
  [[gnu::always_inline]] void sums_apart(int64_t b, Ints (&codes)[kBlocks], Ints* out) const {
    const int16_t* inputs = apart + b * kTokens * kIntegerBlock;
    if constexpr (requires { typename Ints::Half; }) {  // one after the other: registers are few
      typename Ints::Half low[kBlocks], high[kBlocks], sums[kTokens];
      for (int i = 0; i < kBlocks; ++i) {
        low[i] = {codes[i].low};
        high[i] = {codes[i].high};
      }
      constexpr int kHalfWords = 16;
      part_sums(inputs, low, sums);
      for (int t = 0; t < kTokens; ++t) out[t].low = sums[t].v;
      part_sums(inputs + kHalfWords, high, sums);
      for (int t = 0; t < kTokens; ++t) out[t].high = sums[t].v;
    } else {
      part_sums(inputs, codes, out);
    }
  }

  /// `Part`: vectors, or the low or high half of each.
  template <class Part, int kBlocks>
  [[gnu::always_inline]] static void part_sums(const int16_t* inputs, Part (&codes)[kBlocks],
                                               Part* out) {
    Part::groups_apart(codes);
    Part more[kTokens];
    for (int t = 0; t < kTokens; ++t) out[t] = more[t] = Part::zero();
#pragma GCC unroll 8
    for (int i = 0; i < kBlocks; ++i) {
      Part first, second;
      Part::template bytes_apart<F::kE4m3>(codes[i], first, second);
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; ++t) {
        const int16_t* x = inputs + (i * kTokens + t) * kIntegerBlock;
        Part::add_products(out[t], more[t], first, Part::load(x), second, Part::load(x + 32));
      }
    }
    for (int t = 0; t < kTokens; ++t) out[t] = out[t] + more[t];
  }

  template <bool kCheck>
  [[gnu::always_inline]] void block_sums(int64_t b, Ints* out) const {
    Ints first, second;
    F::template load<kCheck>(row, b, first, second);
    for (int t = 0; t < kTokens; ++t) {
      const int16_t* codes = x[t].codes + b * kIntegerBlock;
      const Ints half = Ints::product(first, Ints::load(codes));
      out[t] = Ints::dot(half, second, Ints::load(codes + 32));
    }
  }

  template <int kBlocks>
  [[gnu::always_inline]] static void add(const Ints* left, const Ints* right, Ints* out) {
    for (int t = 0; t < kTokens; ++t) {
      if constexpr (kBlocks == 2) out[t] = Ints::add_pairs32(left[t], right[t]);
      if constexpr (kBlocks == 4) out[t] = Ints::add_pairs64(left[t], right[t]);
      if constexpr (kBlocks == 8) out[t] = Ints::add_pairs128(left[t], right[t]);
    }
  }
};

/// One token's side values for the row kernel: steps * 16 ordered scales, and as many sums.
struct OrderedSides {
  const float* scales;
  const float* sums;
};

/// Where the lanes of a step find their weights' side values.
template <class F>
struct SidePlan {
  SidePlan(const Row& row, int64_t groups_of_row)
      : groups(groups_of_row), shift(side_shift<F>(row)) {
    // The last sides, if fewer than 16, are read as part of the 16 before the end. Lanes past the
    // end hold sums of zero and may have any finite side of the row.
    tail = groups >= 16 ? groups / 16 * 16 : groups;
    const auto skipped = static_cast<int32_t>(tail - (groups - 16));
    for (int piece = 0; piece < 1 << shift; ++piece) {
      for (int lane = 0; lane < 16; ++lane) {
        const int32_t side = kInOrder.index[shift][piece][lane] + skipped;
        tail_index[piece][lane] = side < 15 ? side : 15;
      }
    }
  }

  static constexpr LaneSides<F::kHalfGroups> kInOrder{};
  alignas(64) int32_t tail_index[4][16];
  int64_t groups, tail;
  int shift;
};

/// Side values of the `groups` groups of a row of inputs, each where the lanes of its step want it,
/// and zeros past the end.
template <class V, class F>
void order_sides(const float* values, int64_t groups, int64_t steps, float* out) {
  constexpr int kShift = F::kHalfGroups ? 1 : 0;  // two sums share one side
  const auto* bytes = reinterpret_cast<const uint8_t*>(values);
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t first = (step >> kShift) * 16;
    const int32_t* index = SidePlan<F>::kInOrder.index[kShift][step & ((1 << kShift) - 1)];
    const V sides = read_sides<V>(bytes, first, groups - first, 4, load_f32_bytes<V>);
    sides.pick(index).store(out + step * 16);
  }
}

/// Asks for side values of rows to come: they are too few for the hardware to see a stream.
[[gnu::always_inline]] inline void prefetch_sides(const Row& row, int64_t bytes) {
  constexpr int64_t kAhead = 1024;
  for (int64_t i = 0; i < bytes; i += 64) {
    __builtin_prefetch(row.scales + kAhead + i, 0, 3);
    if (row.biases != nullptr) __builtin_prefetch(row.biases + kAhead + i, 0, 3);
  }
}

/// The 16 partial sums of one row for kTokens tokens: partials[t * token_stride ..].
template <class V, class F, int kTokens>
[[gnu::always_inline]] inline void row_partials(const Row& row, const IntegerRow* x,
                                                const int16_t* apart, const OrderedSides* sides,
                                                const SidePlan<F>& plan, int64_t blocks,
                                                int64_t whole, float* partials,
                                                int64_t token_stride) {
  using Ints = typename V::Ints;
  constexpr int kStep = kStepBlocks<F>;
  const RowSums<V, F, kTokens> part{row, x, apart, blocks, whole, stream_tuning};
  const int64_t steps = (blocks + kStep - 1) / kStep;
  V total[kTokens];
  for (V& sum : total) sum = V::zero();
  V scales = V::zero(), biases = V::zero();
  for (int64_t step = 0; step < steps; ++step) {
    Ints sums[kTokens];
    const int64_t b = step * kStep;
    if (b + kStep <= whole) {
      part.step_sums(b, sums);
    } else {
      part.last_sums(b, sums);
    }
    const int64_t piece = step & ((1 << plan.shift) - 1), first = step * 16 >> plan.shift;
    const bool in_tail = first >= plan.tail;
    if (piece == 0) {
      const int64_t from = in_tail ? plan.groups - 16 : first;
      scales = F::scales(row, from, plan.groups - from);
      if constexpr (F::kBiased) biases = F::biases(row, from, plan.groups - from);
    }
    const int32_t* index =
        in_tail ? plan.tail_index[piece] : SidePlan<F>::kInOrder.index[plan.shift][piece];
    const V scale = scales.pick(index);
    for (int t = 0; t < kTokens; ++t) {
      total[t] =
          V::fused(sums[t].to_float() * V::load(sides[t].scales + step * 16), scale, total[t]);
    }
    if constexpr (F::kBiased) {
      const V bias = biases.pick(index);
      for (int t = 0; t < kTokens; ++t) {
        total[t] = V::fused(bias, V::load(sides[t].sums + step * 16), total[t]);
      }
    }
  }
  for (int t = 0; t < kTokens; ++t) total[t].store(partials + t * token_stride);
}

/// The outputs of 16 rows from their partial sums.
template <class V, bool kHalf>
V add_partials(const float* partials) {
  typename V::Ints part[16];
  for (int i = 0; i < 16; ++i) part[i] = V::Ints::load(partials + i * 16);
  V::Ints::transpose(part);
  V total = V::zero();  // as panels begin: a sum of negative zeros is +0
  for (int i = 0; i < 16; ++i) total = total + part[lane_of_group<kHalf>(i)].floats();
  return total;
}

/// Outputs of rows [begin, end) for kTokens tokens. A function of its own, which all it needs is
/// inlined into: as a part of the choice between kernels g++ gives it a fourth less speed.
template <class V, class F, int kTokens>
[[gnu::noinline]] void integer_rows(const MatrixView& m, int64_t begin, int64_t end,
                                    const IntegerRow* x, float* const* y, float* scratch) {
  constexpr int kStep = kStepBlocks<F>;
  constexpr int64_t kTokenStride = kIntegerRows * 16;  // of the partial sums
  const int64_t blocks = integer_blocks(m.cols), steps = (blocks + kStep - 1) / kStep;
  OrderedSides sides[kTokens];
  float* own = scratch + kTokens * kTokenStride;
  for (int t = 0; t < kTokens; ++t) {
    float *const scales = own, *const sums = scales + steps * 16;
    order_sides<V, F>(x[t].scales, 2 * blocks, steps, scales);
    if constexpr (F::kBiased) order_sides<V, F>(x[t].sums, 2 * blocks, steps, sums);
    sides[t] = {scales, sums};
    own = sums + steps * 16;
  }
  Row row = row_of<V>(m, begin);
  const int64_t whole = row.whole_blocks ? blocks : blocks - 1;
  // Side by side for the tokens: one pointer reaches the inputs of a whole step.
  auto* const apart = reinterpret_cast<int16_t*>(own);
  if constexpr (kGroupsApart<V, F, kTokens>) {
    for (int t = 0; t < kTokens; ++t) {
      set_inputs_apart<V>(x[t], blocks, whole, kTokens, apart + t * kIntegerBlock);
    }
  }
  const SidePlan<F> plan(row, m.groups());
  const int64_t weight_bytes = m.weight_row_bytes(), side_bytes = m.side_row_bytes();
  for (int64_t r = begin; r < end; r += kIntegerRows) {
    const int64_t count = end - r < kIntegerRows ? end - r : kIntegerRows;
    for (int64_t i = 0; i < count; ++i) {
      prefetch_sides(row, side_bytes);
      row_partials<V, F, kTokens>(row, x, apart, sides, plan, blocks, whole, scratch + i * 16,
                                  kTokenStride);
      row.weight += weight_bytes;
      row.scales += side_bytes;
      if constexpr (F::kBiased) row.biases += side_bytes;
    }
    for (int t = 0; t < kTokens; ++t) {
      float* partials = scratch + t * kTokenStride;
      if (count == kIntegerRows) {
        add_partials<V, F::kHalfGroups>(partials).store(y[t] + r);
        continue;
      }
      std::memset(partials + count * 16, 0, static_cast<size_t>(kIntegerRows - count) * 64);
      float lanes[16];
      add_partials<V, F::kHalfGroups>(partials).store(lanes);
      std::memcpy(y[t] + r, lanes, static_cast<size_t>(count) * sizeof(float));
    }
  }
}

}  // namespace
}  // namespace octavo
