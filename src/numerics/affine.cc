#include "numerics/affine.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "numerics/bfloat16.h"

namespace octavo {
namespace {

struct Range {
  float min;
  float max;
};

struct ScaleBias {
  float scale;
  float bias;
};

// Lanes keep the loop free of a serial chain of comparisons.
template <int kSize>
Range range_of(const float* w) {
  constexpr int kLanes = 8;
  float low[kLanes], high[kLanes];
  for (int j = 0; j < kLanes; ++j) low[j] = high[j] = w[j];
  for (int i = kLanes; i < kSize; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      low[j] = w[i + j] < low[j] ? w[i + j] : low[j];
      high[j] = w[i + j] > high[j] ? w[i + j] : high[j];
    }
  }
  return {*std::min_element(low, low + kLanes), *std::max_element(high, high + kLanes)};
}

// MLX's rule: the edge of larger magnitude gets a code whose value is exact, and so does zero where
// it lies in the range. Metal rounds half away from zero, the CPU half to even.
ScaleBias fit(Range range, float largest_code, bool half_away) {
  constexpr float kSmallestScale = 1e-7f;
  const bool low_edge = std::abs(range.min) > std::abs(range.max);
  const float edge = low_edge ? range.min : range.max;
  float scale = std::max((range.max - range.min) / largest_code, kSmallestScale);
  if (!low_edge) scale = -scale;
  const float steps = half_away ? std::round(edge / scale) : std::nearbyint(edge / scale);
  if (steps == 0) return {scale, 0};
  return {edge / steps, edge};
}

// Half to even for 0 <= x <= 255: at 1.5 * 2^23 an f32 has the step 1.
inline uint8_t round_half_even(float x) {
  constexpr float kShift = 12582912.0f;
  return static_cast<uint8_t>(static_cast<int>((x + kShift) - kShift));
}

inline uint8_t round_half_away(float x) {
  const int whole = static_cast<int>(x);
  return static_cast<uint8_t>(whole + (x - static_cast<float>(whole) >= 0.5f));
}

// Clamping before rounding is the same, the bounds being whole numbers. Returns whether some
// element was more than half a step outside the codes.
template <int kSize, auto kRound>
bool encode_codes(const float* __restrict w, ScaleBias map, float largest_code,
                  uint8_t* __restrict codes) {
  int outside = 0;
  for (int i = 0; i < kSize; ++i) {
    const float x = (w[i] - map.bias) / map.scale;
    outside |= (x < -0.5f) | (x > largest_code + 0.5f);
    const float above = x > 0 ? x : 0;
    codes[i] = kRound(above < largest_code ? above : largest_code);
  }
  return outside != 0;
}

template <int kSize>
void encode(const float* w, int bits, ScaleRule rule, GroupCodes& out) {
  const auto largest_code = static_cast<float>((1 << bits) - 1);
  const bool metal = rule == ScaleRule::kCompat;
  Range range = range_of<kSize>(w);
  if (metal) range.max = std::max(range.max, 0.0f);  // Metal starts its maximum at 0
  ScaleBias map = fit(range, largest_code, metal);
  out.scale = float_to_bf16(map.scale);
  out.bias = float_to_bf16(map.bias);
  const ScaleBias stored{bf16_to_float(out.scale), bf16_to_float(out.bias)};
  // A reader knows only the stored values, so codes chosen from them are the nearest. MLX takes the
  // unrounded ones.
  if (rule == ScaleRule::kDefault) map = stored;
  out.clipped = metal ? encode_codes<kSize, round_half_away>(w, map, largest_code, out.codes)
                      : encode_codes<kSize, round_half_even>(w, map, largest_code, out.codes);
}

}  // namespace

void encode_affine(const float* weights, int group_size, int bits, ScaleRule rule,
                   GroupCodes& out) {
  switch (group_size) {
    case 32:
      return encode<32>(weights, bits, rule, out);
    case 64:
      return encode<64>(weights, bits, rule, out);
    case 128:
      return encode<128>(weights, bits, rule, out);
    default:
      fail(ErrorCode::kInternal, "affine: group size {}", group_size);
  }
}

}  // namespace octavo
