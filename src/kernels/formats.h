// kernels: one row of a matrix of any format, decoded 16 elements at a time.
// Part of body.h: see there.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"

namespace octavo {
namespace {

struct Row {
  const uint8_t* weight;
  const uint8_t* scales;
  const uint8_t* biases;
  int64_t cols;
  int chunk_shift;  // log2(group size / 16)
  SideDtype side;
  bool whole_blocks;          // columns are a multiple of 64, and reading a block
                              // touches no other bytes
  const float* scale_values;  // one per group; see decode_sides
  const float* bias_values;
  const uint16_t* scale_words;  // in their place; see Mxfp8Blocks
};

/// Elements [first, first + 16) of a row's side array; those past `count` are
/// read as zero bytes.
template <class V, class Read>
V read_sides(const uint8_t* p, int64_t first, int64_t count, int64_t size, const Read& read) {
  if (count >= 16) [[likely]]
    return read(p + first * size);
  uint8_t copy[64] = {};
  if (count > 0) std::memcpy(copy, p + first * size, static_cast<size_t>(count * size));
  return read(copy);
}

// Each format has load(row, c), its chunk `c`, and kChunkBytes, the bytes of the codes of one.

/// Chunk `c` of a dense row whose elements take `kBytes`; the tail past `cols`
/// reads as zero and is never touched in memory.
template <class V, int kBytes, V (*kLoad)(const uint8_t*)>
struct Dense {
  static constexpr int64_t kChunkBytes = 16 * kBytes;
  [[gnu::always_inline]] static V load_whole(const Row& row, int64_t c) {
    return kLoad(row.weight + c * kChunkBytes);
  }
  [[gnu::always_inline]] static V load(const Row& row, int64_t c) {
    const int64_t left = row.cols - c * 16;
    if (left >= 16) [[likely]]
      return load_whole(row, c);
    uint8_t tail[kChunkBytes] = {};
    std::memcpy(tail, row.weight + c * kChunkBytes, static_cast<size_t>(left * kBytes));
    return kLoad(tail);
  }
};

template <class V>
V load_f32_bytes(const uint8_t* p) {
  float values[16];
  std::memcpy(values, p, sizeof values);
  return V::load(values);
}

template <class V>
[[gnu::noinline]] V other_sides(const uint8_t* p, SideDtype dtype, int64_t first, int64_t count) {
  if (dtype == SideDtype::kF16) return read_sides<V>(p, first, count, 2, V::load_f16);
  return read_sides<V>(p, first, count, 4, load_f32_bytes<V>);
}

/// Inlined by force: a call would send every vector in use through memory.
template <class V>
[[gnu::always_inline]] inline V affine_sides(const uint8_t* p, SideDtype dtype, int64_t first,
                                             int64_t count) {
  if (dtype == SideDtype::kBF16) return read_sides<V>(p, first, count, 2, V::load_bf16);
  return other_sides<V>(p, dtype, first, count);
}

template <class V, int kBits>
struct Affine {
  static constexpr int64_t kChunkBytes = 2 * kBits;
  [[gnu::always_inline]] static V load(const Row& row, int64_t c) {
    const int64_t group = c >> row.chunk_shift;
    return V::fma(V::template load_codes<kBits>(row.weight + c * kChunkBytes),
                  V::broadcast(row.scale_values[group]), V::broadcast(row.bias_values[group]));
  }
  /// Chunks 4 b to 4 b + 3 of each row, where a group has two of them or at least these. Narrower
  /// codes are faster chunk by chunk.
  template <int kRows>
  [[gnu::always_inline]] static void load_blocks(const Row* rows, int64_t b, V (*out)[4])
    requires(kBits == 8 && requires { requires V::kBlocks; })
  {
    for (int r = 0; r < kRows; ++r) {
      const Row& row = rows[r];
      const uint8_t* p = row.weight + 4 * b * kChunkBytes;
      const int64_t first = 4 * b >> row.chunk_shift, last = (4 * b + 3) >> row.chunk_shift;
      const V scales[] = {V::broadcast(row.scale_values[first]),
                          V::broadcast(row.scale_values[last])};
      const V biases[] = {V::broadcast(row.bias_values[first]),
                          V::broadcast(row.bias_values[last])};
      for (int i = 0; i < 4; ++i) {
        out[r][i] = V::fma(V::template load_codes<kBits>(p + i * kChunkBytes), scales[i / 2],
                           biases[i / 2]);
      }
    }
  }
  static V scales(const Row& row, int64_t first, int64_t count) {
    return affine_sides<V>(row.scales, row.side, first, count);
  }
  static V biases(const Row& row, int64_t first, int64_t count) {
    return affine_sides<V>(row.biases, row.side, first, count);
  }
};

template <class V>
struct Mxfp8 {
  static constexpr int64_t kChunkBytes = 16;
  [[gnu::always_inline]] static V load(const Row& row, int64_t c) {
    return V::load_e4m3_256th(row.weight + c * kChunkBytes) *
           V::broadcast(row.scale_values[c >> 1]);
  }
  static V scales(const Row& row, int64_t first, int64_t count) {
    return read_sides<V>(row.scales, first, count, 1, V::load_e8m0) * V::broadcast(256.0f);
  }
};

/// The same by blocks of four chunks, for rows whose scales leave the product with every code a
/// normal number: from 2^-117 to 2^119.
template <class V>
struct Mxfp8Blocks {
  static constexpr int64_t kChunkBytes = Mxfp8<V>::kChunkBytes;

  /// `count` scales as load_e4m3_blocks adds them to the exponents of a BF16 number; whether all of
  /// them are in range.
  static bool decode_words(const uint8_t* __restrict scales, int64_t count,
                           uint16_t* __restrict words) {
    uint8_t farthest = 0;
    for (int64_t i = 0; i < count; ++i) {
      const auto above = static_cast<uint8_t>(scales[i] - 10);
      farthest = farthest < above ? above : farthest;
      words[i] = static_cast<uint16_t>((scales[i] - 7) << 7);
    }
    return farthest <= 236;
  }
  [[gnu::always_inline]] static V load(const Row& row, int64_t c) {
    const uint32_t bits = static_cast<uint32_t>(row.scale_words[c >> 1]) << 16;  // 2^-7 scale
    return V::load_e4m3_256th(row.weight + c * kChunkBytes) *
           V::broadcast(std::bit_cast<float>(bits) * 0x1p15f);
  }
  template <int kRows>
  [[gnu::always_inline]] static void load_blocks(const Row* rows, int64_t b, V (*out)[4])
    requires requires(const uint8_t* (&codes)[kRows], const uint16_t* (&words)[kRows]) {
      V::template load_e4m3_blocks<kRows>(codes, words, out);
    }
  {
    const uint8_t* codes[kRows];
    const uint16_t* words[kRows];
    for (int r = 0; r < kRows; ++r) {
      codes[r] = rows[r].weight + b * 64;
      words[r] = rows[r].scale_words + b * 2;
    }
    if (V::template load_e4m3_blocks<kRows>(codes, words, out)) return;
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < 4; ++i) out[r][i] = load(rows[r], 4 * b + i);
    }
  }
};

template <class V>
struct Mxfp4 {
  static constexpr int64_t kChunkBytes = 8;
  [[gnu::always_inline]] static V load(const Row& row, int64_t c) {
    return V::load_e2m1(row.weight + c * kChunkBytes) * V::broadcast(row.scale_values[c >> 1]);
  }
  static V scales(const Row& row, int64_t first, int64_t count) {
    return read_sides<V>(row.scales, first, count, 1, V::load_e8m0);
  }
};

template <class V>
struct Nvfp4 {
  static constexpr int64_t kChunkBytes = 8;
  [[gnu::always_inline]] static V load(const Row& row, int64_t c) {
    return V::load_e2m1(row.weight + c * kChunkBytes) * V::broadcast(row.scale_values[c]);
  }
  static V scales(const Row& row, int64_t first, int64_t count) {
    return read_sides<V>(row.scales, first, count, 1, V::load_e4m3_256th) * V::broadcast(256.0f);
  }
};

template <class V, class Format>
concept HasBlocks =
    requires(const Row* rows, V (*out)[4]) { Format::template load_blocks<1>(rows, 0, out); };
template <class V, class Format>
concept HasScales = requires(const Row& row) { Format::scales(row, 0, 0); };
template <class V, class Format>
concept HasBiases = requires(const Row& row) { Format::biases(row, 0, 0); };

/// Decodes the scales and biases of `groups` groups, from those of `row` on, to f32 and lets `row`
/// refer to them; `values` holds 2 * padded(groups) floats.
template <class V, class Format>
void decode_sides(Row& row, int64_t groups, float* values) {
  const int64_t stride = padded(groups);
  row.scale_values = values;
  row.bias_values = values + stride;
  for (int64_t i = 0; i < groups; i += 16) {
    // The last ones as part of 16: a copy of fewer would wait for the store buffer.
    const int64_t g = groups < 16 || i + 16 <= groups ? i : groups - 16;
    if constexpr (HasScales<V, Format>) Format::scales(row, g, groups - g).store(values + g);
    if constexpr (HasBiases<V, Format>) {
      Format::biases(row, g, groups - g).store(values + stride + g);
    }
  }
}

template <class V>
Row row_of(const MatrixView& m, int64_t r) {
  const int64_t side = r * m.side_row_bytes();
  int shift = 0;
  while ((16 << shift) < m.spec.group_size) ++shift;
  return {m.weight + r * m.weight_row_bytes(),
          m.scales != nullptr ? m.scales + side : nullptr,
          m.biases != nullptr ? m.biases + side : nullptr,
          m.cols,
          shift,
          m.side,
          m.cols % 64 == 0 && (m.spec.bits == 8 || m.spec.bits == 4),
          nullptr,
          nullptr,
          nullptr};
}

/// Calls Body::run<Format>(arguments) for the format of m.
template <class V, class Body, class... Args>
void with_format(const MatrixView& m, const Body& body, Args... args) {
  switch (m.format) {
    case MatrixFormat::kF32:
      return body.template run<Dense<V, 4, load_f32_bytes<V>>>(m, args...);
    case MatrixFormat::kF16:
      return body.template run<Dense<V, 2, V::load_f16>>(m, args...);
    case MatrixFormat::kBF16:
      return body.template run<Dense<V, 2, V::load_bf16>>(m, args...);
    case MatrixFormat::kQuantised:
      break;
  }
  switch (m.spec.mode) {
    case QuantMode::kMxfp8:
      return body.template run<Mxfp8<V>>(m, args...);
    case QuantMode::kMxfp4:
      return body.template run<Mxfp4<V>>(m, args...);
    case QuantMode::kNvfp4:
      return body.template run<Nvfp4<V>>(m, args...);
    case QuantMode::kAffine:
      break;
  }
  switch (m.spec.bits) {
    case 2:
      return body.template run<Affine<V, 2>>(m, args...);
    case 3:
      return body.template run<Affine<V, 3>>(m, args...);
    case 4:
      return body.template run<Affine<V, 4>>(m, args...);
    case 5:
      return body.template run<Affine<V, 5>>(m, args...);
    case 6:
      return body.template run<Affine<V, 6>>(m, args...);
    default:
      return body.template run<Affine<V, 8>>(m, args...);
  }
}

}  // namespace
}  // namespace octavo
