// numerics: E2M1, the 4-bit element of mxfp4 and nvfp4: codes 0..7 are 0, 0.5, 1, 1.5, 2, 3, 4, 6
// and bit 3 is the sign.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "numerics/minifloat.h"

namespace octavo {

inline constexpr float kE2m1Max = 6.0f;
inline constexpr MinifloatFormat kE2m1{.mantissa_bits = 1, .min_exponent = 0, .largest = kE2m1Max};

inline constexpr std::array<float, 16> kE2m1Values{0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,
                                                   4.0f,  6.0f,  -0.0f, -0.5f, -1.0f, -1.5f,
                                                   -2.0f, -3.0f, -4.0f, -6.0f};

/// Of the low four bits.
constexpr float decode_e2m1(uint8_t code) {
  return kE2m1Values[code & 0xf];
}

/// Nearest, ties to the even code, saturating at +-6; keeps the sign of zero.
inline uint8_t encode_e2m1(float value) {
  const uint32_t sign = (std::bit_cast<uint32_t>(value) >> 28) & 8u;
  return static_cast<uint8_t>(static_cast<uint32_t>(minifloat_code<kE2m1>(value)) | sign);
}

/// As `mx.quantize` does on the CPU (to 0.32.4): the first nearest entry of the table of values, so
/// ties go to the smaller magnitude and everything that rounds to zero becomes +0.
inline uint8_t encode_e2m1_first_match(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const float x = std::bit_cast<float>(bits & 0x7fffffffu);
  const uint32_t code = uint32_t{x > 0.25f} + uint32_t{x > 0.75f} + uint32_t{x > 1.25f} +
                        uint32_t{x > 1.75f} + uint32_t{x > 2.5f} + uint32_t{x > 3.5f} +
                        uint32_t{x > 5.0f};
  return static_cast<uint8_t>(code == 0 ? 0 : code | ((bits >> 28) & 8u));
}

}  // namespace octavo
