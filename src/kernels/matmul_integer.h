// kernels: matrix products in integers, for every quantised format: weights
// become 16-bit integers, products of a group of 32 are summed in 32 bits,
// groups are added in f32 with both scales. Part of body.h: see there.
//
// One output is, whatever the kernel,
//   for each group g in order:  y = fma(float(isum[g]) * x_scale[g],
//   w_scale[g], y) and for affine formats      y = fma(bias[g], x_sum[g], y)
#pragma once

#include <cstdint>

#include "kernels/integer_formats.h"
#include "kernels/kernels.h"
#include "kernels/panel_sizes.h"

namespace octavo {
namespace {

/// Group sums of a row come out of the reduction in this order: lane 4 L + j.
template <bool kHalf>
constexpr int lane_of_group(int group) {
  if (kHalf) return group % 4 * 4 + group / 4;  // 16 groups of 16: four blocks
  const int block = group / 2;                  // 16 groups of 32: eight blocks
  return (block / 4 * 2 + group % 2) * 4 + block % 4;
}

/// Blocks whose sums fill one vector of 16 groups.
template <class F>
constexpr int kStepBlocks = F::kHalfGroups ? 4 : 8;

template <class V, class F, int kTokens>
struct RowSums {
  using Ints = typename V::Ints;
  const Row& row;
  const IntegerRow* x;
  int64_t blocks;
  int64_t safe;  // blocks that can be read as a whole

  /// Sums over blocks [b, b + kBlocks) of the products of each token. With
  /// kCheck blocks may lie past the row's end, and the last one may be short or
  /// the last bytes of a mapping.
  template <int kBlocks, bool kCheck>
  void sums(int64_t b, Ints* out) const {
    if (kCheck && b + kBlocks <= safe) return sums<kBlocks, false>(b, out);
    if constexpr (kBlocks == 1) {
      Ints first, second;
      F::template load<kCheck>(row, b, first, second);
      for (int t = 0; t < kTokens; ++t) {
        const int16_t* codes = x[t].codes + b * kIntegerBlock;
        const Ints half = Ints::product(first, Ints::load(codes));
        out[t] = Ints::dot(half, second, Ints::load(codes + 32));
      }
    } else {
      Ints left[kTokens], right[kTokens];
      sums<kBlocks / 2, kCheck>(b, left);
      if (kCheck && b + kBlocks / 2 >= blocks) {
        for (Ints& sum : right) sum = Ints::zero();
      } else {
        sums<kBlocks / 2, kCheck>(b + kBlocks / 2, right);
      }
      for (int t = 0; t < kTokens; ++t) {
        if constexpr (kBlocks == 2) out[t] = Ints::add_pairs32(left[t], right[t]);
        if constexpr (kBlocks == 4) out[t] = Ints::add_pairs64(left[t], right[t]);
        if constexpr (kBlocks == 8) out[t] = Ints::add_pairs128(left[t], right[t]);
      }
    }
  }
};

/// Group sums of one row for kTokens tokens: sums[t * token_stride + step *
/// 16].
template <class V, class F, int kTokens>
void row_group_sums(const Row& row, const IntegerRow* x, int64_t blocks, int32_t* sums,
                    int64_t token_stride) {
  constexpr int kStep = kStepBlocks<F>;
  const RowSums<V, F, kTokens> part{row, x, blocks, row.whole_blocks ? blocks : blocks - 1};
  typename V::Ints out[kTokens];
  int64_t b = 0;
  for (; b + kStep <= part.safe; b += kStep) {
    F::prefetch(row, b, kStep);
    part.template sums<kStep, false>(b, out);
    for (int t = 0; t < kTokens; ++t) out[t].store(sums + t * token_stride + b / kStep * 16);
  }
  if (b == blocks) return;
  part.template sums<kStep, true>(b, out);
  for (int t = 0; t < kTokens; ++t) out[t].store(sums + t * token_stride + b / kStep * 16);
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

/// Outputs of up to 16 rows and kTokens tokens.
template <class V, class F, int kTokens>
void integer_rows(const MatrixView& m, int64_t first_row, int64_t count, const IntegerRow* x,
                  float* const* y, int32_t* sums) {
  using Ints = typename V::Ints;
  constexpr int kStep = kStepBlocks<F>;
  const int64_t blocks = integer_blocks(m.cols);
  const int64_t steps = (blocks + kStep - 1) / kStep;
  Row rows[kIntegerRows];
  for (int64_t i = 0; i < kIntegerRows; ++i) {
    rows[i] = row_of<V>(m, first_row + (i < count ? i : count - 1));
  }
  const int64_t row_stride = steps * 16, token_stride = kIntegerRows * row_stride;
  for (int64_t i = 0; i < count; ++i) {
    row_group_sums<V, F, kTokens>(rows[i], x, blocks, sums + i * row_stride, token_stride);
  }

  V total[kTokens];
  for (int t = 0; t < kTokens; ++t) total[t] = V::zero();
  // Groups of sums are 32 wide (16 for NVFP4), those of weights 16 <<
  // chunk_shift.
  const int shift = rows[0].chunk_shift - (F::kHalfGroups ? 0 : 1);
  const int64_t groups = m.cols / (F::kHalfGroups ? 16 : 32), sides = m.groups();
  SideBlock<V, F> side;
  for (int64_t step = 0; step < steps; ++step) {
    if ((step & ((1 << shift) - 1)) == 0) side.load(rows, step * 16 >> shift, sides);
    for (int t = 0; t < kTokens; ++t) {
      Ints part[16];
      for (int64_t i = 0; i < 16; ++i) {
        part[i] =
            Ints::load(sums + t * token_stride + (i < count ? i : 0) * row_stride + step * 16);
      }
      Ints::transpose(part);
      const int64_t left = groups - step * 16;
      for (int i = 0; i < 16 && i < left; ++i) {
        const int64_t group = step * 16 + i;
        const int64_t input = F::kHalfGroups ? group / 2 : group;
        const auto index = static_cast<int>((group >> shift) & 15);
        const V sum = part[lane_of_group<F::kHalfGroups>(i)].to_float();
        total[t] = V::fused(sum * V::broadcast(x[t].scales[input]), side.scale[index], total[t]);
        if constexpr (F::kBiased) {
          total[t] = V::fused(side.bias[index], V::broadcast(x[t].sums[input]), total[t]);
        }
      }
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    if (count == kIntegerRows) {
      total[t].store(y[t] + first_row);
      continue;
    }
    float lanes[16];
    total[t].store(lanes);
    std::memcpy(y[t] + first_row, lanes, static_cast<size_t>(count) * sizeof(float));
  }
}

// --- panels: many tokens
// ------------------------------------------------------------------------

/// Offset, in pairs of codes, of pair `slot` of a group inside a block of
/// inputs; `half` is the group's place in the block. Pairs 0 to 7 are elements
/// 0 to 15.
constexpr int pair_offset(int half, int slot) {
  return slot / 4 % 2 * 16 + half * 8 + slot / 8 * 4 + slot % 4;
}

/// Decoded rows of part of the columns: pairs[(group * 16 + slot) * width +
/// row], sides [side group * width + row]; width = 16 * vectors.
struct Panel {
  int32_t* pairs;
  float* scales;
  float* biases;
};

template <class V, class F>
void fill_panel(const Row* rows, int64_t first_block, int64_t blocks, int64_t total_blocks,
                int64_t width, int32_t* pairs) {
  using Ints = typename V::Ints;
  for (int64_t b = 0; b < blocks; ++b) {
    Ints part[2][16];
    for (int i = 0; i < 16; ++i) {
      if (first_block + b + 1 < total_blocks || rows[i].whole_blocks) {
        F::template load<false>(rows[i], first_block + b, part[0][i], part[1][i]);
      } else {
        F::template load<true>(rows[i], first_block + b, part[0][i], part[1][i]);
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

template <class V, class F>
void fill_sides(const Row* rows, int64_t groups, int64_t width, const Panel& panel) {
  SideBlock<V, F> side;
  // Half groups come in pairs: the missing second one of a row reads as zero.
  const int64_t even = (groups + 1) / 2 * 2;
  for (int64_t first = 0; first < groups; first += 16) {
    side.load(rows, first, groups);
    for (int64_t i = 0; i < 16 && first + i < (F::kHalfGroups ? even : groups); ++i) {
      side.scale[i].store(panel.scales + (first + i) * width);
      if constexpr (F::kBiased) side.bias[i].store(panel.biases + (first + i) * width);
    }
  }
}

/// sums[t * width ..] += kTokens x (16 * kVectors) outputs over groups [0,
/// groups) of a panel whose first group is `first_group` of the row.
template <class V, bool kHalf, bool kBiased, int kTokens, int kVectors>
[[gnu::noinline]] void panel_tile(const Panel& panel, int64_t first_group, int64_t groups,
                                  int shift, const IntegerRow* x, float* sums) {
  using Ints = typename V::Ints;
  constexpr int64_t kWidth = 16 * kVectors;
  constexpr int kParts = kHalf ? 2 : 1;
  const int32_t* pairs = panel.pairs;
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t group = first_group + g;
    for (int part = 0; part < kParts; ++part) {
      Ints acc[kTokens][kVectors];
      for (auto& line : acc) {
        for (Ints& a : line) a = Ints::zero();
      }
      const int64_t block = group / 2 * kIntegerBlock;
      const int half = static_cast<int>(group & 1);
#pragma GCC unroll 4
      for (int quad = part * 2; quad < (kParts == 2 ? part * 2 + 2 : 4); ++quad) {
        const int64_t offset = block + 2 * pair_offset(half, quad * 4);
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
      const int64_t side = kParts == 2 ? group * 2 + part : group >> shift;
      for (int v = 0; v < kVectors; ++v) {
        const V scale = V::load(panel.scales + side * kWidth + v * 16);
        for (int t = 0; t < kTokens; ++t) {
          float* out = sums + t * kWidth + v * 16;
          V total = V::fused(acc[t][v].to_float() * V::broadcast(x[t].scales[group]), scale,
                             V::load(out));
          if constexpr (kBiased) {
            const V bias = V::load(panel.biases + side * kWidth + v * 16);
            total = V::fused(bias, V::broadcast(x[t].sums[group]), total);
          }
          total.store(out);
        }
      }
    }
  }
}

/// The tile of any size up to kTokens x kVectors.
template <class V, bool kHalf, bool kBiased, int kTokens = V::kPanelTokens,
          int kVectors = V::kPanelVectors>
void panel_tile_of(int64_t tokens, int64_t vectors, const Panel& panel, int64_t first_group,
                   int64_t groups, int shift, const IntegerRow* x, float* sums) {
  if (kTokens > 1 && tokens < kTokens) {
    return panel_tile_of<V, kHalf, kBiased, (kTokens > 1 ? kTokens - 1 : 1), kVectors>(
        tokens, vectors, panel, first_group, groups, shift, x, sums);
  }
  if (kVectors > 1 && vectors < kVectors) {
    return panel_tile_of<V, kHalf, kBiased, kTokens, (kVectors > 1 ? kVectors - 1 : 1)>(
        tokens, vectors, panel, first_group, groups, shift, x, sums);
  }
  panel_tile<V, kHalf, kBiased, kTokens, kVectors>(panel, first_group, groups, shift, x, sums);
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
  const int shift = rows[0].chunk_shift - 1;
  const int64_t blocks = integer_blocks(m.cols);
  for (int64_t i = 0; i < tokens * width; ++i) sums[i] = 0.0f;
  for (int64_t v = 0; v < width; v += 16) {
    fill_sides<V, F>(rows + v, m.groups(), width, {nullptr, panel.scales + v, panel.biases + v});
  }
  for (int64_t b = 0; b < blocks; b += kPanelBlocks) {
    const int64_t part = blocks - b < kPanelBlocks ? blocks - b : kPanelBlocks;
    for (int64_t v = 0; v < width; v += 16) {
      fill_panel<V, F>(rows + v, b, part, blocks, width, panel.pairs + v);
    }
    int64_t groups = (m.cols + kIntegerGroup - 1) / kIntegerGroup - b * 2;
    if (groups > part * 2) groups = part * 2;
    for (int64_t t = 0; t < tokens; t += V::kPanelTokens) {
      const int64_t some = tokens - t < V::kPanelTokens ? tokens - t : V::kPanelTokens;
      panel_tile_of<V, F::kHalfGroups, F::kBiased>(some, vectors, panel, b * 2, groups, shift,
                                                   x + t, sums + t * width);
    }
  }
  for (int64_t t = 0; t < tokens; ++t) {
    std::memcpy(y[t] + first_row, sums + t * width, static_cast<size_t>(count) * sizeof(float));
  }
}

template <class V, class F>
void integer_panels(const MatrixView& m, int64_t begin, int64_t end, const IntegerRow* x,
                    int64_t tokens, float* const* y, void* scratch) {
  constexpr int64_t kWidth = 16 * V::kPanelVectors;
  static_assert(kWidth <= kPanelWidth);
  const int64_t blocks = integer_blocks(m.cols), sides = m.groups() + 1;
  Panel panel;
  panel.pairs = static_cast<int32_t*>(scratch);
  panel.scales = reinterpret_cast<float*>(
      panel.pairs + (blocks < kPanelBlocks ? blocks : kPanelBlocks) * 32 * kWidth);
  panel.biases = panel.scales + sides * kWidth;
  float* sums = panel.biases + (F::kBiased ? sides * kWidth : 0);
  for (int64_t r = begin; r < end; r += kWidth) {
    const int64_t count = end - r < kWidth ? end - r : kWidth;
    integer_panel<V, F>(m, r, count, x, tokens, y, panel, sums);
  }
}

template <class V, class F>
void matmul_integer_format(const MatrixView& m, int64_t begin, int64_t end, const IntegerRow* x,
                           int64_t tokens, float* const* y, void* scratch) {
  if (tokens > kRowKernelTokens) {
    return integer_panels<V, F>(m, begin, end, x, tokens, y, scratch);
  }
  auto* sums = static_cast<int32_t*>(scratch);
  if (tokens == 3) {  // the third one twice costs less than a kernel of its own
    const IntegerRow four[] = {x[0], x[1], x[2], x[2]};
    float* const out[] = {y[0], y[1], y[2], y[2]};
    return matmul_integer_format<V, F>(m, begin, end, four, 4, out, scratch);
  }
  for (int64_t r = begin; r < end; r += kIntegerRows) {
    const int64_t count = end - r < kIntegerRows ? end - r : kIntegerRows;
    if (tokens == 4) integer_rows<V, F, 4>(m, r, count, x, y, sums);
    if (tokens == 2) integer_rows<V, F, 2>(m, r, count, x, y, sums);
    if (tokens == 1) integer_rows<V, F, 1>(m, r, count, x, y, sums);
  }
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
