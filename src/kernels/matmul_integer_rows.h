// kernels: products in integers for the few tokens of decoding: rows of weights as they lie.
// Part of body.h: see there, and matmul_integer.h for the sums.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/integer_formats.h"
#include "kernels/kernels.h"
#include "kernels/matmul_integer_digits.h"
#include "kernels/matmul_integer_steps.h"
#include "kernels/panel_sizes.h"
#include "kernels/prefetch.h"

namespace octavo {
namespace {

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
    // The last sides, if fewer than 16, are read as part of the 16 before the row's end; of a row
    // that has fewer, together with those of rows to follow. Lanes past the end hold sums of zero
    // and take the row's last side, which has no effect if it is finite.
    tail = groups / 16 * 16;
    tail_from = groups < 16 ? 0 : groups - 16;
    const auto skipped = static_cast<int32_t>(tail - tail_from),
               last = static_cast<int32_t>(groups - 1 - tail_from);
    for (int piece = 0; piece < 1 << shift; ++piece) {
      for (int lane = 0; lane < 16; ++lane) {
        tail_index[piece][lane] = std::min(kInOrder.index[shift][piece][lane] + skipped, last);
      }
    }
  }

  static constexpr LaneSides<F::kHalfGroups> kInOrder{};
  alignas(64) int32_t tail_index[4][16];
  int64_t groups, tail, tail_from;
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

/// The 16 partial sums of Sums::kRows rows, which `part` works on, for kTokens tokens: of row r and
/// token t at partials[t * token_stride + r * 16]. `readable`: the sides that may be read from the
/// start of the last of these rows on, if a row has fewer than 16; else 16.
template <class V, class F, int kTokens, class Sums>
[[gnu::always_inline]] inline void row_partials(const Sums& part, const Row* rows,
                                                const OrderedSides* sides, const SidePlan<F>& plan,
                                                int64_t readable, float* partials,
                                                int64_t token_stride) {
  using Ints = typename V::Ints;
  constexpr int kStep = kStepBlocks<F>, kRows = Sums::kRows;
  const int64_t blocks = part.blocks, whole = part.whole;
  const int64_t steps = (blocks + kStep - 1) / kStep;
  V total[kRows][kTokens], scales[kRows], biases[kRows];
  for (int r = 0; r < kRows; ++r) {
    for (V& sum : total[r]) sum = V::zero();
    scales[r] = biases[r] = V::zero();
  }
  for (int64_t step = 0; step < steps; ++step) {
    Ints sums[kRows * kTokens];
    const int64_t b = step * kStep;
    if (b + kStep <= whole) {
      part.step_sums(b, sums);
    } else {
      part.last_sums(b, sums);
    }
    const int64_t piece = step & ((1 << plan.shift) - 1), first = step * 16 >> plan.shift;
    const bool in_tail = first >= plan.tail;
    if (piece == 0) {
      const int64_t from = in_tail ? plan.tail_from : first;
      for (int r = 0; r < kRows; ++r) {
        scales[r] = F::scales(rows[r], from, readable);
        if constexpr (F::kBiased) biases[r] = F::biases(rows[r], from, readable);
      }
    }
    const int32_t* index =
        in_tail ? plan.tail_index[piece] : SidePlan<F>::kInOrder.index[plan.shift][piece];
    V scale[kRows];
    for (int r = 0; r < kRows; ++r) scale[r] = scales[r].pick(index);
    for (int t = 0; t < kTokens; ++t) {
      const V input_scale = V::load(sides[t].scales + step * 16);
      for (int r = 0; r < kRows; ++r) {
        const V sum = sums[r * kTokens + t].to_float() * input_scale;
        total[r][t] = V::fused(sum, scale[r], total[r][t]);
      }
    }
    if constexpr (F::kBiased) {
      V bias[kRows];
      for (int r = 0; r < kRows; ++r) bias[r] = biases[r].pick(index);
      for (int t = 0; t < kTokens; ++t) {
        const V input_sum = V::load(sides[t].sums + step * 16);
        for (int r = 0; r < kRows; ++r) {
          total[r][t] = V::fused(bias[r], input_sum, total[r][t]);
        }
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int t = 0; t < kTokens; ++t) total[r][t].store(partials + t * token_stride + r * 16);
  }
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
  constexpr bool kDigits = kInDigits<V, F, kTokens>;
  constexpr int kRows = kDigits ? kDigitRows : 1;
  Row rows[kRows];
  for (int k = 0; k < kRows; ++k) rows[k] = row_of<V>(m, begin + k);
  // Blocks to be read as they are: in digits every whole one, whose decoders touch nothing past it.
  const int64_t whole = kDigits                ? m.cols / kIntegerBlock
                        : rows[0].whole_blocks ? blocks
                                               : blocks - 1;
  // Side by side for the tokens: one pointer reaches the inputs of a whole step.
  auto* const apart = reinterpret_cast<int16_t*>(own);
  if constexpr (kDigits || kGroupsApart<V, F, kTokens>) {
    for (int t = 0; t < kTokens; ++t) {
      set_inputs_apart<V, kDigits>(x[t], blocks, whole, kTokens, apart + t * kIntegerBlock);
    }
  }
  const SidePlan<F> plan(rows[0], m.groups());
  const int64_t weight_bytes = m.weight_row_bytes(), side_bytes = m.side_row_bytes();
  [[maybe_unused]] const uint8_t* const weights_end = m.weight + m.rows * weight_bytes;
  const auto part = [&] {
    if constexpr (kDigits) {
      return DigitSums<V, F, kTokens>{rows, apart, weights_end, blocks, whole, stream_tuning};
    } else {
      return RowSums<V, F, kTokens>{rows[0], x, apart, blocks, whole, stream_tuning};
    }
  }();
  for (int64_t r = begin; r < end; r += kIntegerRows) {
    const int64_t count = end - r < kIntegerRows ? end - r : kIntegerRows;
    for (int64_t i = 0; i < count; i += kRows) {
      if (i + kRows > count) rows[kRows - 1] = rows[0];  // of an odd number the last one twice
      prefetch_sides(rows[0], kRows * side_bytes);
      const int64_t last = std::min(r + i + kRows, end) - 1;
      const int64_t readable = plan.groups < 16 ? (m.rows - last) * plan.groups : 16;
      row_partials<V, F, kTokens>(part, rows, sides, plan, readable, scratch + i * 16,
                                  kTokenStride);
      for (Row& row : rows) {
        row.weight += kRows * weight_bytes;
        row.scales += kRows * side_bytes;
        if constexpr (F::kBiased) row.biases += kRows * side_bytes;
      }
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
