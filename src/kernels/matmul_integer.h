// kernels: matrix products in integers, for every quantised format: weights
// become 16-bit integers, products of a group of 32 are summed in 32 bits,
// groups are added in f32 with both scales. Part of body.h: see there.
//
// One output is, whatever the kernel, the sum over r = 0 to 15, in this order, of partial sums over
// the groups g = r, r + 16, r + 32, ...:
//   p = fma(float(isum[g]) * x_scale[g], w_scale[g], p)  and for affine formats
//   p = fma(bias[g], x_sum[g], p)
// so that a vector of 16 groups of one row is worked on as a whole.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

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
  int64_t blocks;
  StreamTuning tuning;

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

/// The side values of a row of inputs, each where the lanes of its step want it.
template <class F>
void order_sides(const IntegerRow& x, int64_t blocks, int64_t steps, float* scales, float* sums) {
  for (int64_t group = 0; group < steps * 16; ++group) {
    const int64_t input = F::kHalfGroups ? group / 2 : group;
    const int64_t lane = group / 16 * 16 + lane_of_group<F::kHalfGroups>(group % 16);
    scales[lane] = input < blocks * 2 ? x.scales[input] : 0.0f;
    if constexpr (F::kBiased) sums[lane] = input < blocks * 2 ? x.sums[input] : 0.0f;
  }
}

/// One token's side values for the row kernel: steps * 16 ordered scales, and as many sums.
struct OrderedSides {
  const float* scales;
  const float* sums;
};

/// log2 of the groups of sums (32 wide, 16 for NVFP4) that share the side values of one group of
/// weights (16 << chunk_shift wide).
template <class F>
int side_shift(const Row& row) {
  return row.chunk_shift - (F::kHalfGroups ? 0 : 1);
}

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
                                                const OrderedSides* sides, const SidePlan<F>& plan,
                                                int64_t blocks, float* partials,
                                                int64_t token_stride) {
  using Ints = typename V::Ints;
  constexpr int kStep = kStepBlocks<F>;
  const RowSums<V, F, kTokens> part{row, x, blocks, stream_tuning};
  const int64_t whole = row.whole_blocks ? blocks : blocks - 1;
  const int64_t steps = (blocks + kStep - 1) / kStep;
  V total[kTokens];
  for (V& sum : total) sum = V::zero();
  V scales = V::zero(), biases = V::zero();
  for (int64_t step = 0; step < steps; ++step) {
    Ints sums[kTokens];
    const int64_t b = step * kStep;
    if (b + kStep <= whole) {
      part.template sums<kStep>(b, sums);
    } else {
      F::prefetch(part.tuning, row, b, kStep);
      part.template sums_at_end<kStep>(b, sums);
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
  for (int t = 0; t < kTokens; ++t) {
    float* scales = scratch + kTokens * kTokenStride + t * steps * 32;
    float* sums = scales + steps * 16;
    order_sides<F>(x[t], blocks, steps, scales, sums);
    sides[t] = {scales, sums};
  }
  Row row = row_of<V>(m, begin);
  const SidePlan<F> plan(row, m.groups());
  const int64_t weight_bytes = m.weight_row_bytes(), side_bytes = m.side_row_bytes();
  for (int64_t r = begin; r < end; r += kIntegerRows) {
    const int64_t count = end - r < kIntegerRows ? end - r : kIntegerRows;
    for (int64_t i = 0; i < count; ++i) {
      prefetch_sides(row, side_bytes);
      row_partials<V, F, kTokens>(row, x, sides, plan, blocks, scratch + i * 16, kTokenStride);
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

// --- panels: many tokens -----------------------------------------------------------------------

/// Offset, in pairs of codes, of pair `slot` of a group inside a block of
/// inputs; `half` is the group's place in the block. Pairs 0 to 7 are elements
/// 0 to 15.
constexpr int pair_offset(int half, int slot) {
  return slot / 4 % 2 * 16 + half * 8 + slot / 8 * 4 + slot % 4;
}

/// The side values of 16 rows for 16 groups, as one vector of rows per group.
template <class V, class F>
struct SideBlock {
  using Ints = typename V::Ints;
  V scale[16], bias[16];

  void load(const Row* rows, int64_t first, int64_t groups) {
    gather(rows, first, groups, scale, [](auto... a) { return F::scales(a...); });
    if constexpr (F::kBiased) {
      gather(rows, first, groups, bias, [](auto... a) { return F::biases(a...); });
    }
  }

 private:
  template <class Read>
  [[gnu::always_inline]] static void gather(const Row* rows, int64_t first, int64_t groups, V* out,
                                            const Read& read) {
    Ints values[16];
    for (int i = 0; i < 16; ++i) values[i] = Ints::bits(read(rows[i], first, groups - first));
    Ints::transpose(values);
    for (int i = 0; i < 16; ++i) out[i] = values[i].floats();
  }
};

/// Decoded rows: pairs [groups of 32, 16 slots, width] of rows, sides [side groups, width]; width =
/// 16 * vectors.
struct Panel {
  int32_t* pairs;
  float* scales;
  float* biases;
};

/// Weights that a later panel will be made of, asked for while this one is multiplied: a panel
/// reads 16 rows side by side, which the hardware does not foresee.
struct Upcoming {
  const uint8_t* at;
  const uint8_t* end;
  int64_t step;  // bytes to ask for per group of sums

  [[gnu::always_inline]] void prefetch() {
    const uint8_t* stop = end - at < step ? end : at + step;
    for (; at < stop; at += 64) __builtin_prefetch(at, 0, 2);
  }
};

/// 16 rows of `row_bytes` bytes each.
template <class V, class F>
void fill_panel(const Row* rows, int64_t row_bytes, int64_t blocks, int64_t width, int32_t* pairs) {
  using Ints = typename V::Ints;
  for (int64_t b = 0; b < blocks; ++b) {
    Ints part[2][16];
    for (int i = 0; i < 16; ++i) {
      // The next 16 rows, of use in the first panel, which no panel before it has asked for.
      __builtin_prefetch(rows[i].weight + 16 * row_bytes + b * F::kBlockBytes, 0, 2);
      if (b + 1 < blocks || rows[i].whole_blocks) {
        F::template load<false>(rows[i], b, part[0][i], part[1][i]);
      } else {
        F::template load<true>(rows[i], b, part[0][i], part[1][i]);
      }
    }
    for (int k = 0; k < 2; ++k) {
      Ints::transpose(part[k]);
      for (int i = 0; i < 16; ++i) {
        const int half = i / 8, slot = i % 8 / 4 * 8 + k * 4 + i % 4;
        part[k][i].store(pairs + ((b * 2 + half) * 16 + slot) * width);
      }
    }
  }
}

/// Whether the instruction set has a faster way for formats whose codes are bytes.
template <class V, class F>
constexpr bool kBytePairs =
    F::kBlockBytes == kIntegerBlock &&
    requires(const uint8_t* const (&blocks)[16], void (*store)(int, typename V::Ints)) {
      V::Ints::template byte_pairs<false>(blocks, store);
    };

/// fill_panel for them.
template <class V, class F>
void fill_panel_of_bytes(const Row* rows, int64_t row_bytes, int64_t blocks, int64_t width,
                         int32_t* pairs) {
  using Ints = typename V::Ints;
  alignas(64) uint8_t copies[16][kIntegerBlock];
  for (int64_t b = 0; b < blocks; ++b) {
    const uint8_t* from[16];
    for (int i = 0; i < 16; ++i) {
      from[i] = rows[i].weight + b * kIntegerBlock;
      __builtin_prefetch(from[i] + 16 * row_bytes, 0, 2);
      if (b + 1 < blocks || rows[i].whole_blocks) continue;
      std::memset(copies[i], 0, kIntegerBlock);
      std::memcpy(copies[i], from[i], static_cast<size_t>(rows[i].cols - b * kIntegerBlock));
      from[i] = copies[i];
    }
    int32_t* const block = pairs + b * 32 * width;
    Ints::template byte_pairs<F::kE4m3>(
        from, [&](int i, const Ints& pair)
                  __attribute__((always_inline)) { pair.store(block + i * width); });
  }
}

template <class V, class F>
void fill_sides(const Row* rows, int64_t groups, int64_t width, const Panel& panel) {
  SideBlock<V, F> side;
  for (int64_t first = 0; first < groups; first += 16) {
    side.load(rows, first, groups);
    for (int64_t i = 0; i < 16 && first + i < groups; ++i) {
      side.scale[i].store(panel.scales + (first + i) * width);
      if constexpr (F::kBiased) side.bias[i].store(panel.biases + (first + i) * width);
    }
  }
}

/// sums[t * width ..] += kTokens x (16 * kVectors) outputs over `groups` groups of sums. A narrow
/// tile keeps all its partial sums, up to 6 KiB, and takes the groups as they lie in memory, which
/// the hardware foresees; a wide one keeps one at a time and takes every 16th group.
template <class V, bool kHalf, bool kBiased, int kTokens, int kVectors>
[[gnu::noinline]] void panel_tile(const Panel& panel, int64_t groups, int shift,
                                  const IntegerRow* x, float* sums, Upcoming& upcoming) {
  using Ints = typename V::Ints;
  constexpr int64_t kWidth = 16 * kVectors;
  constexpr int kQuads = kHalf ? 2 : 4;  // of pairs in a group
  constexpr bool kNarrow = V::kPanelVectors == 1;
  constexpr int64_t kStep = kNarrow ? 1 : 16;
  alignas(64) float partials[kNarrow ? 16 : 1][kTokens * kWidth];  // written by a first group
  for (int64_t r = 0; r < kStep && r < groups; ++r) {
    for (int64_t g = r; g < groups; g += kStep) {
      // Otherwise g++ moves the partial sums to and from a copy of theirs in every round.
      asm volatile("" ::: "memory");
      Ints acc[kTokens][kVectors];
      for (auto& line : acc) {
        for (Ints& a : line) a = Ints::zero();
      }
      upcoming.prefetch();
      const int64_t input = kHalf ? g / 2 : g, block = input / 2 * kIntegerBlock;
      const int half = static_cast<int>(input & 1), first_quad = kHalf ? (g & 1) * 2 : 0;
      const int32_t* pairs = panel.pairs + g * (kQuads * 4) * kWidth;
#pragma GCC unroll 4
      for (int q = 0; q < kQuads; ++q) {
        const int64_t offset = block + 2 * pair_offset(half, (first_quad + q) * 4);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
          Ints w[kVectors];
          for (int v = 0; v < kVectors; ++v) w[v] = Ints::load(pairs + v * 16);
          pairs += kWidth;
          for (int t = 0; t < kTokens; ++t) {
            const Ints pair = Ints::broadcast_pair(x[t].codes + offset + 2 * i);
            for (int v = 0; v < kVectors; ++v)
              acc[t][v] = Ints::dot_in_order(acc[t][v], w[v], pair);
          }
        }
      }
      const int64_t side = kHalf ? g : g >> shift;
      float* const partial_sums = partials[kNarrow ? g % 16 : 0];
      // Whether the group starts its partial sum, and whether it finishes it.
      const auto add_group = [&](auto starts, auto finishes) __attribute__((always_inline)) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          const V scale = V::load(panel.scales + side * kWidth + v * 16);
#pragma GCC unroll 6
          for (int t = 0; t < kTokens; ++t) {
            float* partial = partial_sums + t * kWidth + v * 16;
            V sum = V::fused(acc[t][v].to_float() * V::broadcast(x[t].scales[input]), scale,
                             starts ? V::zero() : V::load(partial));
            if constexpr (kBiased) {
              const V bias = V::load(panel.biases + side * kWidth + v * 16);
              sum = V::fused(bias, V::broadcast(x[t].sums[input]), sum);
            }
            if constexpr (finishes) {
              float* total = sums + t * kWidth + v * 16;
              (V::load(total) + sum).store(total);
            } else {
              sum.store(partial);
            }
          }
        }
      };
      // Loops of their own: asked for each sum, the same questions cost a tenth of the speed.
      const auto add_started = [&](auto starts) __attribute__((always_inline)) {
        if constexpr (!kNarrow) {
          if (g + 16 >= groups) return add_group(starts, std::true_type());
        }
        add_group(starts, std::false_type());
      };
      if (g < 16) {
        add_started(std::true_type());
      } else {
        add_started(std::false_type());
      }
    }
  }
  if constexpr (kNarrow) {
    for (int64_t i = 0; i < kTokens * kWidth; i += 16) {
      V total = V::load(sums + i);
      for (int64_t r = 0; r < 16 && r < groups; ++r) total = total + V::load(partials[r] + i);
      total.store(sums + i);
    }
  }
}

/// The tile of any size up to kTokens x kVectors.
template <class V, bool kHalf, bool kBiased, int kTokens = V::kPanelTokens,
          int kVectors = V::kPanelVectors>
void panel_tile_of(int64_t tokens, int64_t vectors, const Panel& panel, int64_t groups, int shift,
                   const IntegerRow* x, float* sums, Upcoming& upcoming) {
  if (kTokens > 1 && tokens < kTokens) {
    return panel_tile_of<V, kHalf, kBiased, (kTokens > 1 ? kTokens - 1 : 1), kVectors>(
        tokens, vectors, panel, groups, shift, x, sums, upcoming);
  }
  if (kVectors > 1 && vectors < kVectors) {
    return panel_tile_of<V, kHalf, kBiased, kTokens, (kVectors > 1 ? kVectors - 1 : 1)>(
        tokens, vectors, panel, groups, shift, x, sums, upcoming);
  }
  panel_tile<V, kHalf, kBiased, kTokens, kVectors>(panel, groups, shift, x, sums, upcoming);
}

/// Outputs of up to 16 * V::kPanelVectors rows.
template <class V, class F>
void integer_panel(const MatrixView& m, int64_t first_row, int64_t count, const IntegerRow* x,
                   int64_t tokens, float* const* y, const Panel& panel, float* sums) {
  const int64_t vectors = (count + 15) / 16, width = vectors * 16;
  Row rows[16 * V::kPanelVectors];
  for (int64_t i = 0; i < width; ++i) {
    rows[i] = row_of<V>(m, first_row + (i < count ? i : count - 1));
  }
  const int64_t blocks = integer_blocks(m.cols), groups = m.groups();
  const int64_t row_bytes = m.weight_row_bytes();
  for (int64_t i = 0; i < tokens * width; ++i) sums[i] = 0.0f;
  for (int64_t v = 0; v < width; v += 16) {
    fill_sides<V, F>(rows + v, groups, width, {nullptr, panel.scales + v, panel.biases + v});
    if constexpr (kBytePairs<V, F>) {
      fill_panel_of_bytes<V, F>(rows + v, row_bytes, blocks, width, panel.pairs + v);
    } else {
      fill_panel<V, F>(rows + v, row_bytes, blocks, width, panel.pairs + v);
    }
  }
  const int shift = side_shift<F>(rows[0]);
  const int64_t sum_groups = F::kHalfGroups ? groups : (m.cols + kIntegerGroup - 1) / kIntegerGroup;
  // After the matrix's last rows come the next expert's.
  const uint8_t* next = m.weight + (first_row + count) * row_bytes;
  const int64_t bytes = width * row_bytes;
  const int64_t next_side = (first_row + count) * m.side_row_bytes();
  for (int64_t i = next_side; i < next_side + width * m.side_row_bytes(); i += 64) {
    __builtin_prefetch(m.scales + i, 0, 2);
    if constexpr (F::kBiased) __builtin_prefetch(m.biases + i, 0, 2);
  }
  const int64_t tiles = (tokens + V::kPanelTokens - 1) / V::kPanelTokens;
  const int64_t steps = std::max<int64_t>(1, tiles * sum_groups);
  Upcoming upcoming{next, next + bytes, (bytes / steps + 63) / 64 * 64};
  for (int64_t t = 0, some; t < tokens; t += some) {
    some = next_tile(tokens - t, V::kPanelTokens);
    panel_tile_of<V, F::kHalfGroups, F::kBiased>(some, vectors, panel, sum_groups, shift, x + t,
                                                 sums + t * width, upcoming);
  }
  for (int64_t t = 0; t < tokens; ++t) {
    std::memcpy(y[t] + first_row, sums + t * width, static_cast<size_t>(count) * sizeof(float));
  }
}

template <class V, class F>
[[gnu::noinline]] void integer_panels(const MatrixView& m, int64_t begin, int64_t end,
                                      const IntegerRow* x, int64_t tokens, float* const* y,
                                      void* scratch) {
  static_assert(V::kPanelVectors <= kMostPanelVectors);
  const int64_t blocks = integer_blocks(m.cols), sides = m.groups();
  const int64_t width = 16 * panel_vectors(blocks, V::kPanelVectors);
  Panel panel;
  panel.pairs = static_cast<int32_t*>(scratch);
  panel.scales = reinterpret_cast<float*>(panel.pairs + blocks * 32 * width);
  panel.biases = panel.scales + sides * width;
  float* sums = panel.biases + (F::kBiased ? sides * width : 0);
  for (int64_t r = begin; r < end; r += width) {
    const int64_t count = end - r < width ? end - r : width;
    integer_panel<V, F>(m, r, count, x, tokens, y, panel, sums);
  }
}

template <class V, class F>
void matmul_integer_format(const MatrixView& m, int64_t begin, int64_t end, const IntegerRow* x,
                           int64_t tokens, float* const* y, void* scratch) {
  if (tokens > kRowKernelTokens) {
    return integer_panels<V, F>(m, begin, end, x, tokens, y, scratch);
  }
  if (tokens == 3) {  // the third one twice costs less than a kernel of its own
    const IntegerRow four[] = {x[0], x[1], x[2], x[2]};
    float* const out[] = {y[0], y[1], y[2], y[2]};
    return matmul_integer_format<V, F>(m, begin, end, four, 4, out, scratch);
  }
  auto* floats = static_cast<float*>(scratch);
  if (tokens == 4) integer_rows<V, F, 4>(m, begin, end, x, y, floats);
  if (tokens == 2) integer_rows<V, F, 2>(m, begin, end, x, y, floats);
  if (tokens == 1) integer_rows<V, F, 1>(m, begin, end, x, y, floats);
}

template <class V>
void matmul_integer(const MatrixView& m, int64_t begin, int64_t end, const IntegerRow* x,
                    int64_t tokens, float* const* y, void* scratch) {
  switch (m.spec.mode) {
    case QuantMode::kMxfp8:
      return matmul_integer_format<V, IntegerMxfp8<V>>(m, begin, end, x, tokens, y, scratch);
    case QuantMode::kMxfp4:
      return matmul_integer_format<V, IntegerMxfp4<V>>(m, begin, end, x, tokens, y, scratch);
    case QuantMode::kNvfp4:
      return matmul_integer_format<V, IntegerNvfp4<V>>(m, begin, end, x, tokens, y, scratch);
    case QuantMode::kAffine:
      break;
  }
  switch (m.spec.bits) {
    case 2:
      return matmul_integer_format<V, IntegerAffine<V, 2>>(m, begin, end, x, tokens, y, scratch);
    case 3:
      return matmul_integer_format<V, IntegerAffine<V, 3>>(m, begin, end, x, tokens, y, scratch);
    case 4:
      return matmul_integer_format<V, IntegerAffine<V, 4>>(m, begin, end, x, tokens, y, scratch);
    case 5:
      return matmul_integer_format<V, IntegerAffine<V, 5>>(m, begin, end, x, tokens, y, scratch);
    case 6:
      return matmul_integer_format<V, IntegerAffine<V, 6>>(m, begin, end, x, tokens, y, scratch);
    default:
      return matmul_integer_format<V, IntegerAffine<V, 8>>(m, begin, end, x, tokens, y, scratch);
  }
}

}  // namespace
}  // namespace octavo
