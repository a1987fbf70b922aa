// numerics: E4M3FN, the 8-bit element of mxfp8 and the block scale of nvfp4: 1 sign, 4 exponent
// (bias 7) and 3 mantissa bits; no infinity; 0x7F and 0xFF are NaN; subnormal step 2^-9.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

#include "numerics/minifloat.h"

namespace octavo {

inline constexpr float kE4m3Max = 448.0f;
inline constexpr MinifloatFormat kE4m3{.mantissa_bits = 3, .min_exponent = -6, .largest = kE4m3Max};

/// Both NaN codes give NaN, as in MLX from 0.32.3 on (older versions read 0x7F as 480).
constexpr float decode_e4m3(uint8_t code) {
  const uint32_t magnitude = code & 0x7fu;
  if (magnitude == 0x7f) return std::numeric_limits<float>::quiet_NaN();
  // The f32 with the same fields lies 2^(127 - 7) too low; subnormals count in steps of 2^-9.
  const float value = magnitude < 8 ? static_cast<float>(magnitude) * 0x1p-9f
                                    : std::bit_cast<float>((magnitude << 20) + (120u << 23));
  return (code & 0x80) != 0 ? -value : value;
}

/// Nearest, ties to the even code, saturating at +-448; keeps the sign of zero. NaN and infinities
/// saturate too: encoders refuse such weights beforehand.
inline uint8_t encode_e4m3(float value) {
  const uint32_t sign = (std::bit_cast<uint32_t>(value) >> 24) & 0x80u;
  return static_cast<uint8_t>(static_cast<uint32_t>(minifloat_code<kE4m3>(value)) | sign);
}

/// decode_e4m3 of every code.
inline constexpr std::array<float, 256> kE4m3Values = [] {
  std::array<float, 256> values{};
  for (uint32_t code = 0; code < 256; ++code) {
    values[code] = decode_e4m3(static_cast<uint8_t>(code));
  }
  return values;
}();

}  // namespace octavo
