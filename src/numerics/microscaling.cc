#include "numerics/microscaling.h"

#include <algorithm>
#include <bit>

#include "numerics/e2m1.h"
#include "numerics/e4m3.h"
#include "numerics/e8m0.h"

namespace octavo {
namespace {

constexpr int kMxGroup = 32;
constexpr int kNvGroup = 16;

// Both element types have a largest value (1 + mantissa) * 2^exponent: 448 = 1.75 * 2^8 and
// 6 = 1.5 * 2^2. Dividing amax by it subtracts the exponents; the mantissas only decide about one
// step more or less, so no logarithm and no rounding is involved.
struct ExponentRule {
  int exponent;       // of the largest element
  uint32_t up_above;  // round up: one step more if the mantissa of amax is greater than this
  uint32_t down_to;   // nearest: one step less if it is at most this
};

// up_above: the mantissa of the largest element itself. down_to: floor of
// (largest / 2^exponent / sqrt 2 - 1) * 2^23; the bound is irrational, hence never met.
constexpr ExponentRule kMxfp8Rule{8, 6291456, 1991764};
constexpr ExponentRule kMxfp4Rule{2, 4194304, 508854};

uint8_t exponent_code(float amax, int exponent, bool more, bool less) {
  const int biased = static_cast<int>(std::bit_cast<uint32_t>(amax) >> 23);
  if (biased == 0) return 0;  // zero or subnormal: far below what code 0 can hold
  return static_cast<uint8_t>(std::clamp(biased - exponent + more - less, 0, kE8m0MaxCode));
}

uint32_t mantissa(float amax) {
  return std::bit_cast<uint32_t>(amax) & 0x7fffffu;
}

uint8_t scale_up(float amax, const ExponentRule& rule) {
  return exponent_code(amax, rule.exponent, mantissa(amax) > rule.up_above, false);
}

uint8_t scale_nearest(float amax, const ExponentRule& rule) {
  return exponent_code(amax, rule.exponent, false, mantissa(amax) <= rule.down_to);
}

// MLX's CPU code (0.32.2 to 0.32.4) rounds up like the closed form, but gives a zero group the
// scale 1. Below the smallest scale (0 < amax < largest * 2^-127) its byte wraps around; those
// bytes decode to garbage and are not reproduced: code 0 is written instead.
uint8_t mx_scale(float amax, ScaleRule rule, const ExponentRule& exponents) {
  if (rule == ScaleRule::kCompat) return scale_nearest(amax, exponents);
  if (rule == ScaleRule::kCompatCpu && amax == 0) return kE8m0Bias;
  return scale_up(amax, exponents);
}

bool exceeds(float amax, float largest, float scale) {
  return static_cast<double>(amax) > static_cast<double>(largest) * static_cast<double>(scale);
}

// The coder is a template argument and the count a constant: then the loop is inlined and
// vectorised.
template <int kSize, auto kEncode>
void encode_all(const float* __restrict weights, float factor, uint8_t* __restrict codes) {
  for (int i = 0; i < kSize; ++i) codes[i] = kEncode(weights[i] * factor);
}

// Whether the scale one step below `code` gives the smaller sum of squared errors. In units of
// 2^(code-127) an element x becomes u, or d with the smaller scale, and
// (x-u)^2 - (x-d)^2 = (d-u) * (2x-u-d). u and d are multiples of 1/4 and not both 0 only if
// |x| > 1/8, so the term is a multiple of 2^-28 even for f32 weights and at most 2^7: the sum over
// a group is exact in double, in any order.
bool smaller_scale_is_better(const float* weights, uint8_t code) {
  constexpr int kLanes = 4;
  const float factor = inverse_e8m0(code);
  float x[kMxGroup], up[kMxGroup], down[kMxGroup];  // magnitudes
  for (int i = 0; i < kMxGroup; ++i) {
    x[i] = std::bit_cast<float>(std::bit_cast<uint32_t>(weights[i] * factor) & 0x7fffffffu);
    up[i] = minifloat_round<kE2m1>(x[i]);
    down[i] = 0.5f * minifloat_round<kE2m1>(2 * x[i]);
  }
  double sums[kLanes] = {};
  for (int i = 0; i < kMxGroup; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      const double u = up[i + j], d = down[i + j];
      sums[j] += (d - u) * (2 * static_cast<double>(x[i + j]) - u - d);
    }
  }
  return sums[0] + sums[1] + sums[2] + sums[3] > 0;
}

}  // namespace

uint8_t mxfp8_scale_up(float amax) {
  return scale_up(amax, kMxfp8Rule);
}
uint8_t mxfp4_scale_up(float amax) {
  return scale_up(amax, kMxfp4Rule);
}
uint8_t mxfp8_scale_nearest(float amax) {
  return scale_nearest(amax, kMxfp8Rule);
}
uint8_t mxfp4_scale_nearest(float amax) {
  return scale_nearest(amax, kMxfp4Rule);
}

void encode_mxfp8(const float* weights, float amax, ScaleRule rule, GroupCodes& out) {
  const uint8_t code = mx_scale(amax, rule, kMxfp8Rule);
  out.scale = code;
  out.clipped = exceeds(amax, kE4m3Max, decode_e8m0(code));
  encode_all<kMxGroup, encode_e4m3>(weights, inverse_e8m0(code), out.codes);
}

void encode_mxfp4(const float* weights, float amax, ScaleRule rule, GroupCodes& out) {
  uint8_t code = mx_scale(amax, rule, kMxfp4Rule);
  if (rule == ScaleRule::kDefault && code > 0 && smaller_scale_is_better(weights, code)) --code;
  out.scale = code;
  out.clipped = exceeds(amax, kE2m1Max, decode_e8m0(code));
  const float factor = inverse_e8m0(code);
  if (rule == ScaleRule::kCompatCpu) {
    encode_all<kMxGroup, encode_e2m1_first_match>(weights, factor, out.codes);
  } else {
    encode_all<kMxGroup, encode_e2m1>(weights, factor, out.codes);
  }
}

void encode_nvfp4(const float* weights, float amax, ScaleRule rule, GroupCodes& out) {
  const uint8_t code = encode_e4m3(amax / kE2m1Max);
  const float scale = decode_e4m3(code);
  out.scale = code;
  out.clipped = code != 0 && exceeds(amax, kE2m1Max, scale);
  float scaled[kNvGroup];
  if (rule == ScaleRule::kCompat || code == 0) {
    // Metal multiplies by the reciprocal; with scale 0 every reader sees zeros.
    const float factor = code == 0 ? 0.0f : 1 / scale;
    for (int i = 0; i < kNvGroup; ++i) scaled[i] = weights[i] * factor;
  } else {
    for (int i = 0; i < kNvGroup; ++i) scaled[i] = weights[i] / scale;
  }
  if (rule == ScaleRule::kCompatCpu) {
    encode_all<kNvGroup, encode_e2m1_first_match>(scaled, 1, out.codes);
  } else {
    encode_all<kNvGroup, encode_e2m1>(scaled, 1, out.codes);
  }
}

}  // namespace octavo
