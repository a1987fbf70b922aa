// kernels/scalar: 16 float lanes in plain C++.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "numerics/bfloat16.h"

namespace octavo::scalar {

struct Ints;

struct Vec {
  using Ints = scalar::Ints;
  static constexpr int kTokenTile = 2;
  static constexpr int kParts = 1;
  using Part = Vec;
  static Part zero_part() { return zero(); }
  static Part load_part(const float* p) { return load(p); }
  static void store_part(Part a, float* p) { a.store(p); }
  static Part fma_part(Part a, Part b, Part c) { return fma(a, b, c); }
  static constexpr int kPanelTokens = 2, kPanelVectors = 1;
  // Sums that the tiles of attention hold in registers, beside the operands.
  static constexpr int kSums = 4;
  float lane[16];

  static Vec zero() { return broadcast(0.0f); }
  static Vec broadcast(float value) {
    Vec v;
    for (float& x : v.lane) x = value;
    return v;
  }
  static Vec load(const float* p) {
    Vec v;
    std::memcpy(v.lane, p, sizeof v.lane);
    return v;
  }
  void store(float* p) const { std::memcpy(p, lane, sizeof lane); }
  /// Nearest even; NaN stays NaN.
  void store_bf16(uint8_t* p) const {
    for (int i = 0; i < 16; ++i) {
      const uint16_t bits = float_to_bf16(lane[i]);
      std::memcpy(p + 2 * i, &bits, 2);
    }
  }

  static Vec load_bf16(const uint8_t* p) {
    Vec v;
    for (int i = 0; i < 16; ++i) {
      uint16_t bits;
      std::memcpy(&bits, p + 2 * i, 2);
      const uint32_t wide = uint32_t{bits} << 16;
      std::memcpy(&v.lane[i], &wide, 4);
    }
    return v;
  }
  static Vec load_i8(const uint8_t* p) {
    Vec v;
    for (int i = 0; i < 16; ++i) v.lane[i] = static_cast<float>(static_cast<int8_t>(p[i]));
    return v;
  }
  static Vec load_f16(const uint8_t* p) {
    Vec v;
    for (int i = 0; i < 16; ++i) {
      uint16_t bits;
      std::memcpy(&bits, p + 2 * i, 2);
      v.lane[i] = half(bits);
    }
    return v;
  }
  /// E4M3 shifted into FP16 is 1/256 of its value, subnormals included; 0x7F
  /// reads as 480 / 256.
  static Vec load_e4m3_256th(const uint8_t* p) {
    Vec v;
    for (int i = 0; i < 16; ++i) {
      v.lane[i] = half(static_cast<uint16_t>((p[i] & 0x7f) << 7 | (p[i] & 0x80) << 8));
    }
    return v;
  }
  /// 2^(byte - 127); 255 becomes infinity, which only a broken file holds.
  static Vec load_e8m0(const uint8_t* p) {
    Vec v;
    for (int i = 0; i < 16; ++i) {
      const uint32_t bits = p[i] == 0 ? 0x00400000u : uint32_t{p[i]} << 23;
      std::memcpy(&v.lane[i], &bits, 4);
    }
    return v;
  }
  static Vec load_e2m1(const uint8_t* p) {
    static constexpr float kValues[16] = {0,     0.5f,  1,  1.5f,  2,  3,  4,  6,
                                          -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};
    Vec v;
    for (int i = 0; i < 16; ++i) v.lane[i] = kValues[p[i / 2] >> (i % 2 * 4) & 15];
    return v;
  }
  /// 16 unsigned codes of `kBits` bits: two runs of eight, kBits bytes each.
  template <int kBits>
  static Vec load_codes(const uint8_t* p) {
    Vec v;
    for (int run = 0; run < 2; ++run) {
      uint64_t packed = 0;
      std::memcpy(&packed, p + run * kBits, kBits);
      for (int i = 0; i < 8; ++i) {
        v.lane[run * 8 + i] = static_cast<float>(packed >> (i * kBits) & ((1u << kBits) - 1));
      }
    }
    return v;
  }

  friend Vec operator+(Vec a, Vec b) {
    for (int i = 0; i < 16; ++i) a.lane[i] += b.lane[i];
    return a;
  }
  friend Vec operator-(Vec a, Vec b) {
    for (int i = 0; i < 16; ++i) a.lane[i] -= b.lane[i];
    return a;
  }
  friend Vec operator*(Vec a, Vec b) {
    for (int i = 0; i < 16; ++i) a.lane[i] *= b.lane[i];
    return a;
  }
  friend Vec operator/(Vec a, Vec b) {
    for (int i = 0; i < 16; ++i) a.lane[i] /= b.lane[i];
    return a;
  }
  /// a * b + c; not fused here: a software fma would be a hundred times slower.
  static Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
  /// a * b + c rounded once.
  static Vec fused(Vec a, Vec b, Vec c) {
    for (int i = 0; i < 16; ++i) a.lane[i] = __builtin_fmaf(a.lane[i], b.lane[i], c.lane[i]);
    return a;
  }
  // min and max return b if either is NaN, as the SSE instructions do.
  static Vec min(Vec a, Vec b) {
    for (int i = 0; i < 16; ++i) a.lane[i] = a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
  }
  static Vec max(Vec a, Vec b) {
    for (int i = 0; i < 16; ++i) a.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
  }
  static Vec round(Vec a) {
    for (float& x : a.lane) x = __builtin_rintf(x);
    return a;
  }
  /// 2^n for integral n in [-126, 127]; some number for NaN.
  static Vec pow2(Vec n) {
    for (float& x : n.lane) {
      const int32_t exponent = std::isnan(x) ? 0 : static_cast<int32_t>(x);
      const uint32_t bits = static_cast<uint32_t>(exponent + 127) << 23;
      std::memcpy(&x, &bits, 4);
    }
    return n;
  }
  float sum() const {
    float t[8];
    for (int i = 0; i < 8; ++i) t[i] = lane[i] + lane[i + 8];
    for (int i = 0; i < 4; ++i) t[i] += t[i + 4];
    return (t[0] + t[2]) + (t[1] + t[3]);
  }
  /// Lane i of the result is the sum() of the 16 floats at p + i * stride.
  static Vec sums(const float* p, int64_t stride) {
    float lanes[16];
    for (int i = 0; i < 16; ++i) lanes[i] = load(p + i * stride).sum();
    return load(lanes);
  }
  /// Lane i of the result is lane index[i] of this; `index` is aligned to 64 bytes.
  Vec pick(const int32_t* index) const {
    Vec picked;
    for (int i = 0; i < 16; ++i) picked.lane[i] = lane[index[i]];
    return picked;
  }
  float maximum() const {
    float m = lane[0];
    for (float x : lane) m = m < x ? x : m;
    return m;
  }

  Vec abs() const {
    Vec v = *this;
    for (float& x : v.lane) x = std::fabs(x);
    return v;
  }
  /// Integral lanes within 16 bits.
  void store_int16(int16_t* p) const {
    for (int i = 0; i < 16; ++i) p[i] = static_cast<int16_t>(lane[i]);
  }

  static float half(uint16_t bits) {
    const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
    const uint32_t exponent = bits >> 10 & 31, mantissa = bits & 1023;
    float magnitude;
    if (exponent == 31) {
      const uint32_t wide = 0x7f800000u | mantissa << 13;
      std::memcpy(&magnitude, &wide, 4);
    } else if (exponent == 0) {
      magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    } else {
      const uint32_t wide = (exponent + 112) << 23 | mantissa << 13;
      std::memcpy(&magnitude, &wide, 4);
    }
    uint32_t wide;
    std::memcpy(&wide, &magnitude, 4);
    wide |= sign;
    std::memcpy(&magnitude, &wide, 4);
    return magnitude;
  }
};

}  // namespace octavo::scalar
