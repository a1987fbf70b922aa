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

constexpr int64_t kTilePairs = kTileWords / 2;

/// 16 rows of a matrix, decoded into tiles of pairs of weights, [16 pairs][16 rows].
template <class T, class Format>
class TileRows {
 public:
  using V = typename T::V;
  using Ints = typename V::Ints;

  /// Rows from `first` on; those past `last` are that one again. `sides`: kTileSides floats per
  /// group, padded(groups) of them.
  TileRows(const MatrixView& m, int64_t first, int64_t last, float* sides)
      : next_(16 * m.weight_row_bytes()) {
    for (int64_t i = 0; i < 16; ++i) rows_[i] = row_of<V>(m, std::min(first + i, last));
    const int64_t groups = m.groups();
    if constexpr (kMxfp8) {
      scales_ = reinterpret_cast<int32_t*>(sides);
      if (prepare_scales(groups)) return;
      scales_ = nullptr;
    }
    for (int i = 0; i < 16; ++i) {
      decode_sides<V, Format>(rows_[i], groups, sides + i * 2 * padded(groups));
    }
  }

  /// The tile of step s to out + 2 * s * kTilePairs.
  void decode(int32_t* out) const {
    if constexpr (kMxfp8) {
      if (scales_ != nullptr) return decode_mxfp8(out);
    }
    const int64_t cols = rows_[0].cols, chunks = padded(cols) / 16;
    for (int64_t c = 0; c < chunks; c += 2, out += 2 * kTilePairs) {
      Ints words[16];
      for (int i = 0; i < 16; ++i) {
        const uint8_t* from = rows_[i].weight + c * Format::kChunkBytes;
        __builtin_prefetch(from + next_, 0, 2);
        if constexpr (kBf16) {
          if (cols - c * 16 >= 32) [[likely]] {
            words[i] = T::load_words(from);
            continue;
          }
        }
        V a = Format::load(rows_[i], c);
        V b = c + 1 < chunks ? Format::load(rows_[i], c + 1) : V::zero();
        words[i] = T::split(a, b);
      }
      Ints::transpose(words);
      for (int i = 0; i < 16; ++i) words[i].store(out + i * 16);
    }
  }

 private:
  static constexpr bool kMxfp8 = std::is_same_v<Format, Mxfp8<V>>;
  static constexpr bool kBf16 = std::is_same_v<Format, Dense<V, 2, V::load_bf16>>;

  /// The scales as T::e4m3 wants them, [groups][16 rows]; false if one is out of its range.
  bool prepare_scales(int64_t groups) {
    V least = V::broadcast(1.0f), greatest = least;
    for (int64_t first = 0; first < groups; first += 16) {
      Ints values[16];
      for (int i = 0; i < 16; ++i) {
        values[i] =
            Ints::bits(read_sides<V>(rows_[i].scales, first, groups - first, 1, V::load_e8m0));
      }
      Ints::transpose(values);
      for (int64_t i = 0; i < 16 && first + i < groups; ++i) {
        least = V::min(least, values[i].floats());
        greatest = V::max(greatest, values[i].floats());
        T::scale_words(values[i]).store(scales_ + (first + i) * 16);
      }
    }
    const float smallest = -(V::zero() - least).maximum();
    return smallest >= T::kLeastScale && greatest.maximum() <= T::kGreatestScale;
  }

  /// Transposed while still bytes: half as many registers as BF16 numbers.
  void decode_mxfp8(int32_t* out) const {
    alignas(64) uint8_t copies[16][64];
    const int64_t steps = tile_steps(rows_[0].cols);
    for (int64_t s = 0; s < steps; s += 2) {
      const int64_t left = rows_[0].cols - s * 32;
      Ints quads[16];  // four codes of each row
      for (int i = 0; i < 16; ++i) {
        const uint8_t* from = rows_[i].weight + s * 32;
        __builtin_prefetch(from + next_, 0, 2);
        if (left < 64) {
          std::memset(copies[i], 0, 64);
          std::memcpy(copies[i], from, static_cast<size_t>(left));
          from = copies[i];
        }
        quads[i] = Ints::load(from);
      }
      Ints::transpose(quads);
      for (int half = 0; half < 2 && s + half < steps; ++half, out += 2 * kTilePairs) {
        const Ints scale = Ints::load(scales_ + (s + half) * 16);
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
          Ints first, second;
          T::e4m3(quads[half * 8 + i], scale, first, second);
          first.store(out + 2 * i * 16);
          second.store(out + (2 * i + 1) * 16);
        }
      }
    }
  }

  Row rows_[16];
  int64_t next_;  // bytes to the next 16 rows, which are asked for while these are decoded
  int32_t* scales_ = nullptr;  // of MXFP8 in range
};

/// One step of tile_sums whose first inputs and weights are loaded. A tile is loaded anew, for the
/// next part or unless kLast the next step, as soon as the products that need it are under way.
template <class T, int kParts, bool kTwo, bool kLast>
[[gnu::always_inline]] inline void tile_step(const uint16_t* x, const uint16_t* second,
                                             const int32_t* weights) {
#pragma GCC unroll 3
  for (int i = 0; i < kParts; ++i) {
    const bool step_ends = i + 1 == kParts, more = !(kLast && step_ends);
    T::template dot<0, 4, 6>();
    T::template dot<1, 4, 7>();
    if (more) T::template load<4>(x + (i + 1) * kTileWords);
    if constexpr (kTwo) T::template dot<2, 5, 6>();
    if (more && step_ends) T::template load<6>(weights + 2 * kTilePairs);
    if constexpr (kTwo) T::template dot<3, 5, 7>();
    if (more && step_ends) T::template load<7>(weights + 3 * kTilePairs);
    if constexpr (kTwo) {
      if (more) T::template load<5>(second + (i + 1) * kTileWords);
    }
  }
}

/// Sums of up to 32 tokens, with kTwo of more than 16, and 32 rows: [32][32]. Nothing is asked for
/// ahead here: loads of tiles wait behind prefetches.
template <class T, int kParts, bool kTwo>
[[gnu::noinline]] void tile_sums(const uint16_t* x, int64_t block_words, const int32_t* weights,
                                 int64_t steps, float* sums) {
  const uint16_t* second = x + block_words;
  T::template load<6>(weights);
  T::template load<4>(x);
  T::template load<7>(weights + kTilePairs);
  if constexpr (kTwo) T::template load<5>(second);
  T::template zero<0>();
  T::template zero<1>();
  if constexpr (kTwo) {
    T::template zero<2>();
    T::template zero<3>();
  }
  for (int64_t s = 1; s < steps; ++s) {
    tile_step<T, kParts, kTwo, false>(x, second, weights);
    x += kParts * kTileWords;
    second += kParts * kTileWords;
    weights += 2 * kTilePairs;
  }
  tile_step<T, kParts, kTwo, true>(x, second, weights);
  T::template store<0>(sums, 32);
  T::template store<1>(sums + 16, 32);
  if constexpr (kTwo) {
    T::template store<2>(sums + 16 * 32, 32);
    T::template store<3>(sums + 16 * 32 + 16, 32);
  }
}

/// Panels of rows are decoded into the second-level cache first, behind the sides of 16 rows.
template <class T, class Format, int kParts>
[[gnu::noinline]] void tile_panels(const MatrixView& m, int64_t begin, int64_t end,
                                   const uint16_t* x, int64_t tokens, float* const* y,
                                   void* scratch) {
  auto* const sides = static_cast<float*>(scratch);
  auto* const pairs = reinterpret_cast<int32_t*>(sides + kTileSides * padded(m.groups()));
  const int64_t steps = tile_steps(m.cols), most = tile_panel_rows(steps, tokens);
  const int64_t block_words = tile_block_words(m.cols, kParts), group = steps * 2 * kTilePairs;
  int64_t configured = 0;
  for (int64_t r = begin; r < end; r += most) {
    const int64_t count = std::min(most, end - r);
    for (int64_t i = 0; i < count; i += 16) {
      const TileRows<T, Format> rows(m, r + i, end - 1, sides);
      rows.decode(pairs + i / 32 * group + i % 32 / 16 * kTilePairs);
    }
    for (int64_t t = 0; t < tokens; t += 32) {
      const int64_t some = std::min<int64_t>(32, tokens - t);
      if (some != configured) T::configure(configured = some);
      const uint16_t* inputs = x + t / 16 * block_words;
      for (int64_t i = 0; i < count; i += 32) {
        alignas(64) float sums[32 * 32];
        const int32_t* weights = pairs + i / 32 * group;  // beyond `count` whatever lies there
        if (some > 16) {
          tile_sums<T, kParts, true>(inputs, block_words, weights, steps, sums);
        } else {
          tile_sums<T, kParts, false>(inputs, block_words, weights, steps, sums);
        }
        const auto bytes = static_cast<size_t>(std::min<int64_t>(32, count - i)) * sizeof(float);
        for (int64_t k = 0; k < some; ++k) std::memcpy(y[t + k] + r + i, sums + 32 * k, bytes);
      }
    }
  }
  if (configured != 0) T::release();
}

template <class T>
void matmul_tiles(const MatrixView& m, int64_t begin, int64_t end, const uint16_t* x, int parts,
                  int64_t tokens, float* const* y, void* scratch) {
  using V = typename T::V;
  const auto product = [&]<class Format>() {
    if (parts == 2) return tile_panels<T, Format, 2>(m, begin, end, x, tokens, y, scratch);
    tile_panels<T, Format, 3>(m, begin, end, x, tokens, y, scratch);
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
