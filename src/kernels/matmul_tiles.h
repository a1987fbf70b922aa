// kernels: matrix products in tiles of BF16 numbers, for the many tokens of a prompt. Written
// against T, the matrix tiles of an instruction set beside its vectors T::V.
//
// A weight must be one BF16 number (fits_tiles), an input is the sum of 2 or 3. One output is one
// f32 sum over steps of 32 columns in their order, so it does not depend on the number of tokens;
// but it is not the sum of matmul or matmul_integer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/formats.h"
#include "kernels/kernels.h"
#include "kernels/panel_sizes.h"
#include "kernels/tile_rows.h"

namespace octavo {
namespace {

template <class T>
void split_row(const float* x, int64_t n, int parts, uint16_t* out) {
  using V = typename T::V;
  const int64_t chunks = padded(n) / 16;
  for (int64_t c = 0; c < chunks; c += 2) {
    V a = V::load(x + c * 16), b = c + 1 < chunks ? V::load(x + c * 16 + 16) : V::zero();
    for (int part = 0; part < parts; ++part) {
      T::split(a, b).store(out);
      out += kTileWords;
    }
  }
}

template <class V, class Format>
constexpr bool kIsMxfp8 = std::is_same_v<Format, Mxfp8<V>>;
template <class V, class Format>
constexpr bool kIsBf16 = std::is_same_v<Format, Dense<V, 2, V::load_bf16>>;

/// Decoded rows: [32 rows][steps][2] tiles of pairs of weights, [16 pairs][16 rows].
struct TilePanel {
  int32_t* pairs;
  int64_t steps;

  int64_t group_pairs() const { return steps * 2 * kTilePairs; }
  /// A step of 16 rows.
  int32_t* tile(int64_t rows16, int64_t step) const {
    return pairs + rows16 / 2 * group_pairs() + (step * 2 + rows16 % 2) * kTilePairs;
  }
  static constexpr int64_t kTilePairs = kTileWords / 2;
};

/// 16 rows of any format.
template <class T, class Format>
void fill_tiles(Row* rows, int64_t groups, const TilePanel& panel, int64_t rows16, float* sides) {
  using V = typename T::V;
  using Ints = typename V::Ints;
  const int64_t cols = rows[0].cols, chunks = padded(cols) / 16;
  const int64_t row_bytes = rows[1].weight - rows[0].weight;
  for (int i = 0; i < 16; ++i)
    decode_sides<V, Format>(rows[i], groups, sides + i * 2 * padded(groups));
  for (int64_t s = 0; s < panel.steps; ++s) {
    Ints words[16];
    for (int i = 0; i < 16; ++i) {
      const int64_t c = 2 * s;
      __builtin_prefetch(rows[i].weight + 16 * row_bytes + c * Format::kChunkBytes, 0, 2);
      if constexpr (kIsBf16<V, Format>) {
        if (cols - c * 16 >= 32) [[likely]] {
          words[i] = T::load_words(rows[i].weight + c * Format::kChunkBytes);
          continue;
        }
      }
      V a = Format::load(rows[i], c);
      V b = c + 1 < chunks ? Format::load(rows[i], c + 1) : V::zero();
      words[i] = T::split(a, b);
    }
    Ints::transpose(words);
    int32_t* out = panel.tile(rows16, s);
    for (int i = 0; i < 16; ++i) words[i].store(out + i * 16);
  }
}

/// 16 rows of MXFP8; false, and nothing done, if a scale is out of its range.
template <class T>
bool fill_tiles_mxfp8(const Row* rows, int64_t groups, const TilePanel& panel, int64_t rows16,
                      int32_t* scales) {
  using V = typename T::V;
  using Ints = typename V::Ints;
  V least = V::broadcast(1.0f), greatest = least;
  for (int64_t first = 0; first < groups; first += 16) {
    Ints values[16];
    for (int i = 0; i < 16; ++i) {
      values[i] = Ints::bits(read_sides<V>(rows[i].scales, first, groups - first, 1, V::load_e8m0));
    }
    Ints::transpose(values);
    for (int64_t i = 0; i < 16 && first + i < groups; ++i) {
      least = V::min(least, values[i].floats());
      greatest = V::max(greatest, values[i].floats());
      T::scale_words(values[i]).store(scales + (first + i) * 16);
    }
  }
  const float smallest = -(V::zero() - least).maximum();
  if (smallest < T::kLeastScale || greatest.maximum() > T::kGreatestScale) return false;
  const int64_t row_bytes = rows[1].weight - rows[0].weight, cols = rows[0].cols;
  alignas(64) uint8_t copies[16][64];
  for (int64_t b = 0; b < (panel.steps + 1) / 2; ++b) {
    const int64_t left = cols - b * 64;
    Ints quads[16];  // four codes of each row
    for (int i = 0; i < 16; ++i) {
      const uint8_t* from = rows[i].weight + b * 64;
      __builtin_prefetch(from + 16 * row_bytes, 0, 2);
      if (left < 64) {
        std::memset(copies[i], 0, 64);
        std::memcpy(copies[i], from, static_cast<size_t>(left));
        from = copies[i];
      }
      quads[i] = Ints::load(from);
    }
    Ints::transpose(quads);
    for (int half = 0; half < 2 && b * 2 + half < panel.steps; ++half) {
      const Ints scale = Ints::load(scales + (b * 2 + half) * 16);
      int32_t* out = panel.tile(rows16, b * 2 + half);
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        Ints first, second;
        T::e4m3(quads[half * 8 + i], scale, first, second);
        first.store(out + 2 * i * 16);
        second.store(out + (2 * i + 1) * 16);
      }
    }
  }
  return true;
}

/// Sums of up to 32 tokens and 32 rows, [32][32]. Nothing is asked for ahead here: loads of tiles
/// wait behind prefetches.
template <class T, int kParts, bool kTwo>
[[gnu::noinline]] void tile_sums(const uint16_t* x, int64_t block_words, const int32_t* weights,
                                 int64_t steps, float* sums) {
  T::template zero<0>();
  T::template zero<1>();
  if constexpr (kTwo) {
    T::template zero<2>();
    T::template zero<3>();
  }
  for (int64_t s = 0; s < steps; ++s) {
    T::template load<6>(weights);
    T::template load<7>(weights + TilePanel::kTilePairs);
#pragma GCC unroll 3
    for (int i = 0; i < kParts; ++i) {
      T::template load<4>(x + i * kTileWords);
      T::template dot<0, 4, 6>();
      T::template dot<1, 4, 7>();
      if constexpr (kTwo) {
        T::template load<5>(x + block_words + i * kTileWords);
        T::template dot<2, 5, 6>();
        T::template dot<3, 5, 7>();
      }
    }
    weights += 2 * TilePanel::kTilePairs;
    x += kParts * kTileWords;
  }
  T::template store<0>(sums, 32);
  T::template store<1>(sums + 16, 32);
  if constexpr (kTwo) {
    T::template store<2>(sums + 16 * 32, 32);
    T::template store<3>(sums + 16 * 32 + 16, 32);
  }
}

template <class T, class Format, int kParts>
[[gnu::noinline]] void tile_panels(const MatrixView& m, int64_t begin, int64_t end,
                                   const uint16_t* x, int64_t tokens, float* const* y,
                                   std::byte* scratch) {
  using V = typename T::V;
  const int64_t steps = tile_steps(m.cols), groups = m.groups();
  const int64_t most = tile_panel_rows(steps, tokens);
  const int64_t block_words = tile_block_words(m.cols, kParts);
  const TilePanel panel{reinterpret_cast<int32_t*>(scratch), steps};
  auto* const sides = reinterpret_cast<float*>(scratch) + most / 32 * panel.group_pairs();
  alignas(64) float sums[32 * 32];
  int64_t configured = 0;
  for (int64_t r = begin; r < end; r += most) {
    const int64_t count = std::min(most, end - r), groups32 = (count + 31) / 32;
    for (int64_t i = 0; i < 2 * groups32; ++i) {
      Row rows[16];
      for (int64_t k = 0; k < 16; ++k) rows[k] = row_of<V>(m, r + std::min(i * 16 + k, count - 1));
      if constexpr (kIsMxfp8<V, Format>) {
        if (fill_tiles_mxfp8<T>(rows, groups, panel, i, reinterpret_cast<int32_t*>(sides))) {
          continue;
        }
      }
      fill_tiles<T, Format>(rows, groups, panel, i, sides);
    }
    for (int64_t t = 0; t < tokens; t += 32) {
      const int64_t some = std::min<int64_t>(32, tokens - t);
      if (some != configured) T::configure(configured = some);
      const uint16_t* inputs = x + t / 16 * block_words;
      for (int64_t g = 0; g < groups32; ++g) {
        const int32_t* weights = panel.tile(2 * g, 0);
        if (some > 16) {
          tile_sums<T, kParts, true>(inputs, block_words, weights, steps, sums);
        } else {
          tile_sums<T, kParts, false>(inputs, block_words, weights, steps, sums);
        }
        const int64_t width = std::min<int64_t>(32, count - 32 * g);
        for (int64_t i = 0; i < some; ++i) {
          std::memcpy(y[t + i] + r + 32 * g, sums + 32 * i, static_cast<size_t>(width) * 4);
        }
      }
    }
  }
  if (configured != 0) T::release();
}

template <class T, class Format>
void matmul_tiles_format(const MatrixView& m, int64_t begin, int64_t end, const uint16_t* x,
                         int parts, int64_t tokens, float* const* y, void* scratch) {
  auto* const bytes = static_cast<std::byte*>(scratch);
  if (parts == 2) return tile_panels<T, Format, 2>(m, begin, end, x, tokens, y, bytes);
  tile_panels<T, Format, 3>(m, begin, end, x, tokens, y, bytes);
}

template <class T>
void matmul_tiles(const MatrixView& m, int64_t begin, int64_t end, const uint16_t* x, int parts,
                  int64_t tokens, float* const* y, void* scratch) {
  using V = typename T::V;
  const auto product = [&]<class Format>() {
    matmul_tiles_format<T, Format>(m, begin, end, x, parts, tokens, y, scratch);
  };
  if (m.format == MatrixFormat::kBF16) {
    product.template operator()<Dense<V, 2, V::load_bf16>>();
  } else if (m.spec.mode == QuantMode::kMxfp8) {
    product.template operator()<Mxfp8<V>>();
  } else if (m.spec.mode == QuantMode::kMxfp4) {
    product.template operator()<Mxfp4<V>>();
  } else {
    product.template operator()<Nvfp4<V>>();
  }
}

}  // namespace
}  // namespace octavo
