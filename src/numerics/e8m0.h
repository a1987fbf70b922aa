// numerics: E8M0, the block scale of mxfp4 and mxfp8: a power of two in one byte.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

namespace octavo {

inline constexpr int kE8m0Bias = 127;
inline constexpr int kE8m0MaxCode = 254;  // 2^127

/// 2^(code - 127). Code 0 is the subnormal 2^-127. Code 0xFF is NaN by the OCP definition (MLX's
/// CPU and Metal code reads it as infinity); no encoder here writes it.
constexpr float decode_e8m0(uint8_t code) {
  if (code == 0xff) return std::numeric_limits<float>::quiet_NaN();
  return code == 0 ? 0x1p-127f : std::bit_cast<float>(uint32_t{code} << 23);
}

/// 1 / decode_e8m0(code) = 2^(127 - code), exact for every code but 0xFF.
constexpr float inverse_e8m0(uint8_t code) {
  return decode_e8m0(static_cast<uint8_t>(2 * kE8m0Bias - code));
}

}  // namespace octavo
