// numerics: E4M3FN, the 8-bit element of mxfp8 and the block scale of nvfp4: 1 sign, 4 exponent
// (bias 7) and 3 mantissa bits; no infinity; 0x7F and 0xFF are NaN; subnormal step 2^-9.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

namespace octavo {

inline constexpr float kE4m3Max = 448.0f;
inline constexpr uint8_t kE4m3MaxCode = 0x7e;

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
/// saturate too: encoders refuse such weights beforehand. Branch-free, so that loops vectorise.
inline uint8_t encode_e4m3(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = bits & 0x7fffffffu;
  // Normal codes: cut 20 mantissa bits with half-even rounding and rebias the exponent.
  const uint32_t normal = (magnitude + 0x7ffffu + ((magnitude >> 20) & 1u) - (120u << 23)) >> 20;
  // Below 2^-6: an f32 of magnitude 2^14 has the step 2^-9, so the addition rounds.
  constexpr float kShift = 0x1p14f;
  const uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + kShift) -
                             std::bit_cast<uint32_t>(kShift);
  constexpr uint32_t kSmallestNormal = 121u << 23;  // 2^-6
  constexpr uint32_t kLargest = std::bit_cast<uint32_t>(kE4m3Max);
  uint32_t code = magnitude < kSmallestNormal ? subnormal : normal;
  code = magnitude >= kLargest ? kE4m3MaxCode : code;
  return static_cast<uint8_t>(code | ((bits >> 24) & 0x80u));
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
