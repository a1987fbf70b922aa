// numerics: rounding f32 to the few bits of E4M3 and E2M1.
#pragma once

#include <bit>
#include <cstdint>

namespace octavo {

/// A small float without infinities: codes count up with the magnitude, subnormals first.
struct MinifloatFormat {
  int mantissa_bits;
  int min_exponent;  // of the smallest normal number, 2^min_exponent
  float largest;
};

/// |value| cut to the largest, and the f32 whose addition rounds it: 2^(23 - mantissa_bits) times
/// its binade has the format's step there as its own last bit.
struct MinifloatShift {
  float magnitude;
  float shift;
};

template <MinifloatFormat kFormat>
inline constexpr int32_t kMinifloatFirstNormal = (127 + kFormat.min_exponent) << 23;

template <MinifloatFormat kFormat>
inline MinifloatShift minifloat_shift(float value) {
  constexpr auto kLargest = std::bit_cast<int32_t>(kFormat.largest);
  constexpr int32_t kFirst = kMinifloatFirstNormal<kFormat>;
  int32_t magnitude = std::bit_cast<int32_t>(value) & 0x7fffffff;
  magnitude = magnitude < kLargest ? magnitude : kLargest;
  int32_t binade = magnitude & 0x7f800000;
  binade = binade > kFirst ? binade : kFirst;
  const int32_t shift = binade + ((23 - kFormat.mantissa_bits) << 23);
  return {std::bit_cast<float>(magnitude), std::bit_cast<float>(shift)};
}

/// The magnitude code nearest to |value|, ties to the even code, saturating. No branches and no
/// table, so that loops over it vectorise.
template <MinifloatFormat kFormat>
inline int32_t minifloat_code(float value) {
  constexpr int kCut = 23 - kFormat.mantissa_bits;
  constexpr int32_t kFirstShift = kMinifloatFirstNormal<kFormat> + (kCut << 23);
  const auto [magnitude, shift] = minifloat_shift<kFormat>(value);
  const auto shift_bits = std::bit_cast<int32_t>(shift);
  const int32_t steps = std::bit_cast<int32_t>(magnitude + shift) - shift_bits;
  return steps + ((shift_bits - kFirstShift) >> kCut);
}

/// The magnitude of that code.
template <MinifloatFormat kFormat>
inline float minifloat_round(float value) {
  const auto [magnitude, shift] = minifloat_shift<kFormat>(value);
  return (magnitude + shift) - shift;
}

}  // namespace octavo
