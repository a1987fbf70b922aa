// kernels: products in integers for many tokens: panels of decoded rows.
// Part of body.h: see there, and matmul_integer.h for the sums.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/integer_formats.h"
#include "kernels/kernels.h"
#include "kernels/panel_sizes.h"

namespace octavo {
namespace {

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
        part[k][i].store(pairs + (b * 32 + i / 4 * 8 + k * 4 + i % 4) * width);
      }
    }
  }
}

/// Whether the instruction set has a faster way for formats whose codes are bytes.
template <class V, class F>
constexpr bool kBytePairs = kByteCodes<F> && requires(const uint8_t* const (&blocks)[16],
                                                      void (*store)(int, typename V::Ints)) {
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

}  // namespace
}  // namespace octavo
