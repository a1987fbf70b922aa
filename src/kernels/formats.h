// kernels: one row of a matrix of any format, decoded 16 elements at a time.
// Part of body.h: see there.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/matrix_view.h"

namespace octavo {
namespace {

struct Row {
  const uint8_t* weight;
  const uint8_t* scales;
  const uint8_t* biases;
  int64_t cols;
  int chunk_shift;  // log2(group size / 16)
  SideDtype side;
  bool whole_blocks;  // columns are a multiple of 64, and reading a block touches no other bytes
};

template <class V>
struct Scalars {
  static float bits(uint32_t value) {
    float result;
    std::memcpy(&result, &value, 4);
    return result;
  }
  /// 2^(byte - 127); 0xFF is NaN.
  static float e8m0(uint8_t byte) {
    if (byte == 0) return bits(0x00400000u);
    return bits(byte == 255 ? 0x7fc00000u : uint32_t{byte} << 23);
  }
  static float e4m3(uint8_t byte) {
    const uint32_t exponent = byte >> 3 & 15, mantissa = byte & 7;
    if ((byte & 0x7f) == 0x7f) return bits(0x7fc00000u);
    const float magnitude = exponent == 0 ? static_cast<float>(mantissa) * 0x1p-9f
                                          : bits((exponent + 120) << 23 | mantissa << 20);
    return (byte & 0x80) != 0 ? -magnitude : magnitude;
  }
  static float f16(uint16_t half) {
    const uint32_t exponent = half >> 10 & 31, mantissa = half & 1023;
    const float magnitude = exponent == 0    ? static_cast<float>(mantissa) * 0x1p-24f
                            : exponent == 31 ? bits(0x7f800000u | mantissa << 13)
                                             : bits((exponent + 112) << 23 | mantissa << 13);
    return (half & 0x8000) != 0 ? -magnitude : magnitude;
  }
  static float side(const uint8_t* p, int64_t index, SideDtype dtype) {
    if (dtype == SideDtype::kF32) {
      float value;
      std::memcpy(&value, p + 4 * index, 4);
      return value;
    }
    uint16_t half;
    std::memcpy(&half, p + 2 * index, 2);
    return dtype == SideDtype::kBF16 ? bits(uint32_t{half} << 16) : f16(half);
  }
};

/// Chunk `c` of a dense row whose elements take `kBytes`; the tail past `cols` reads as zero and is
/// never touched in memory.
template <class V, int kBytes, V (*kLoad)(const uint8_t*)>
struct Dense {
  static V load(const Row& row, int64_t c) {
    const int64_t left = row.cols - c * 16;
    if (left >= 16) [[likely]]
      return kLoad(row.weight + c * 16 * kBytes);
    uint8_t tail[16 * kBytes] = {};
    std::memcpy(tail, row.weight + c * 16 * kBytes, static_cast<size_t>(left * kBytes));
    return kLoad(tail);
  }
};

template <class V>
V load_f32_bytes(const uint8_t* p) {
  float values[16];
  std::memcpy(values, p, sizeof values);
  return V::load(values);
}

template <class V, int kBits>
struct Affine {
  static V load(const Row& row, int64_t c) {
    const int64_t group = c >> row.chunk_shift;
    const V scale = V::broadcast(Scalars<V>::side(row.scales, group, row.side));
    const V bias = V::broadcast(Scalars<V>::side(row.biases, group, row.side));
    return V::fma(V::template load_codes<kBits>(row.weight + c * 2 * kBits), scale, bias);
  }
};

template <class V>
struct Mxfp8 {
  static V load(const Row& row, int64_t c) {
    return V::load_e4m3(row.weight + c * 16) * V::broadcast(Scalars<V>::e8m0(row.scales[c >> 1]));
  }
};

template <class V>
struct Mxfp4 {
  static V load(const Row& row, int64_t c) {
    return V::load_e2m1(row.weight + c * 8) * V::broadcast(Scalars<V>::e8m0(row.scales[c >> 1]));
  }
};

template <class V>
struct Nvfp4 {
  static V load(const Row& row, int64_t c) {
    return V::load_e2m1(row.weight + c * 8) * V::broadcast(Scalars<V>::e4m3(row.scales[c]));
  }
};

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
          m.cols % 64 == 0 && (m.spec.bits == 8 || m.spec.bits == 4)};
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
