#include "numerics/microscaling.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>

#include "numerics/e2m1.h"
#include "numerics/e4m3.h"
#include "numerics/e8m0.h"
#include "support.h"

namespace octavo {
namespace {

using test::quantize;

const QuantSpec kMxfp8 = default_spec(QuantMode::kMxfp8);
const QuantSpec kMxfp4 = default_spec(QuantMode::kMxfp4);
const QuantSpec kNvfp4 = default_spec(QuantMode::kNvfp4);

/// Every finite BF16 magnitude, and f32 values around the borders between two scales.
std::vector<float> magnitudes() {
  std::vector<float> values;
  for (uint32_t bits = 0; bits < 0x7f80; ++bits) {
    values.push_back(bf16_to_float(static_cast<uint16_t>(bits)));
  }
  for (int exponent = -126; exponent < 120; exponent += 3) {
    for (float largest : {448.0f, 6.0f}) {
      const float border = std::ldexp(largest, exponent);
      values.insert(values.end(), {std::nextafter(border, 0.0f), std::nextafter(border, 1e38f)});
    }
  }
  return values;
}

int smallest_scale(double amax, double largest) {
  int code = 0;
  while (code < 254 && amax > std::ldexp(largest, code - 127)) ++code;
  return code;
}

int nearest_scale(double amax, double largest) {
  if (amax == 0) return 0;
  const double exponent = std::round(std::log2(amax / largest));
  return static_cast<int>(std::clamp(exponent, -127.0, 127.0)) + 127;
}

TEST(MxScale, RoundUpIsTheSmallestScaleThatDoesNotClip) {
  for (float amax : magnitudes()) {
    ASSERT_EQ(mxfp8_scale_up(amax), smallest_scale(amax, 448)) << amax;
    ASSERT_EQ(mxfp4_scale_up(amax), smallest_scale(amax, 6)) << amax;
  }
}

TEST(MxScale, NearestRoundsTheLogarithm) {
  for (float amax : magnitudes()) {
    ASSERT_EQ(mxfp8_scale_nearest(amax), nearest_scale(amax, 448)) << amax;
    ASSERT_EQ(mxfp4_scale_nearest(amax), nearest_scale(amax, 6)) << amax;
  }
}

TEST(Mxfp8, EncodesEachElementToTheNearestCode) {
  const auto weights = test::gaussian_bf16(64 * 32, 0.02f, 11);
  const auto q = quantize(weights, 32, kMxfp8);
  for (size_t i = 0; i < weights.size(); ++i) {
    const double scale = decode_e8m0(q.scales[i / 32]);
    const double w = bf16_to_float(weights[i]);
    const double error = std::abs(w - scale * decode_e4m3(q.weight[i]));
    for (int code = 0; code < 256; ++code) {
      if ((code & 0x7f) == 0x7f) continue;
      ASSERT_LE(error, std::abs(w - scale * decode_e4m3(static_cast<uint8_t>(code)))) << w;
    }
  }
}

TEST(Mxfp8, NearestClipsWhereRoundUpDoesNot) {
  std::vector<uint16_t> weights(32, 0);
  weights[7] = float_to_bf16(520.0f);  // log2(520 / 448) = 0.215: nearest stays at scale 1
  const auto up = quantize(weights, 32, kMxfp8);
  EXPECT_EQ(up.scales[0], 128);
  EXPECT_EQ(up.weight[7], encode_e4m3(260.0f));
  EXPECT_EQ(up.error.clipped_groups, 0u);
  const auto nearest = quantize(weights, 32, kMxfp8, ScaleRule::kCompat);
  EXPECT_EQ(nearest.scales[0], 127);
  EXPECT_EQ(nearest.weight[7], 0x7e);
  EXPECT_EQ(nearest.error.clipped_groups, 1u);
  EXPECT_EQ(nearest.error.squared_error, 72.0 * 72.0);
}

TEST(Mxfp4, NearestBreaksTiesToEven) {
  std::vector<float> weights(32, 0.0f);
  const std::array<float, 8> values{0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f, -0.25f};
  std::copy(values.begin(), values.end(), weights.begin());
  weights[31] = 6;
  const std::array<uint8_t, 4> even{0x20, 0x42, 0x64, 0x86};
  const std::array<uint8_t, 4> first_match{0x10, 0x32, 0x54, 0x06};
  const auto metal = quantize(weights, 32, kMxfp4, ScaleRule::kCompat);
  const auto cpu = quantize(weights, 32, kMxfp4, ScaleRule::kCompatCpu);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(metal.weight[i], even[i]);
    EXPECT_EQ(cpu.weight[i], first_match[i]);
  }
  EXPECT_EQ(metal.scales[0], 127);
}

double squared_error(const std::vector<float>& weights, size_t first, int code) {
  const double scale = decode_e8m0(static_cast<uint8_t>(code));
  double sum = 0;
  for (size_t i = first; i < first + 32; ++i) {
    const auto scaled = static_cast<float>(weights[i] / scale);
    const double error = weights[i] / scale - decode_e2m1(encode_e2m1(scaled));
    sum += error * error * scale * scale;
  }
  return sum;
}

TEST(Mxfp4, TakesTheBetterOfTwoScales) {
  const auto weights = test::widen(test::gaussian_bf16(4096 * 32, 0.02f, 12));
  const auto q = quantize(weights, 32, kMxfp4);
  int smaller = 0;
  for (size_t group = 0; group < q.scales.size(); ++group) {
    float amax = 0;
    for (size_t i = 0; i < 32; ++i) amax = std::max(amax, std::abs(weights[group * 32 + i]));
    const int up = mxfp4_scale_up(amax);
    const bool better =
        squared_error(weights, group * 32, up - 1) < squared_error(weights, group * 32, up);
    ASSERT_EQ(q.scales[group], up - better) << group;
    smaller += better;
  }
  EXPECT_GT(smaller, 100);  // both cases occur
  EXPECT_LT(smaller, 4000);
}

TEST(Mxfp4, TieKeepsTheLargerScale) {
  std::vector<float> weights(32, 0.0f);
  weights[3] = 3.5f;  // scale 1: 4; scale 1/2: 3. Both are 0.5 off.
  EXPECT_EQ(quantize(weights, 32, kMxfp4).scales[0], 127);
  weights[4] = 0.25f;  // exact with scale 1/2 only
  EXPECT_EQ(quantize(weights, 32, kMxfp4).scales[0], 126);
  weights[4] = 6.0f;
  EXPECT_EQ(quantize(weights, 32, kMxfp4).scales[0], 127);
}

// 0.25 gains 1/16 from scale 1/2, where 3.53125 loses just as much; one f32 step decides. Two
// separate f32 sums of squares could not tell.
TEST(Mxfp4, ComparesExactlyForF32Weights) {
  constexpr float kBalance = 3.53125f;
  std::vector<float> weights(32, 0.0f);
  weights[4] = 0.25f;
  weights[3] = kBalance;
  EXPECT_EQ(quantize(weights, 32, kMxfp4).scales[0], 127);
  weights[3] = std::nextafter(kBalance, 0.0f);
  EXPECT_EQ(quantize(weights, 32, kMxfp4).scales[0], 126);
  weights[3] = std::nextafter(kBalance, 9.0f);
  EXPECT_EQ(quantize(weights, 32, kMxfp4).scales[0], 127);
}

TEST(Nvfp4, DividesByTheDecodedScale) {
  const auto weights = test::gaussian_bf16(512 * 16, 0.7f, 13);
  const auto q = quantize(weights, 16, kNvfp4);
  for (size_t group = 0; group < q.scales.size(); ++group) {
    float amax = 0;
    for (size_t i = 0; i < 16; ++i) {
      amax = std::max(amax, std::abs(bf16_to_float(weights[group * 16 + i])));
    }
    ASSERT_EQ(q.scales[group], encode_e4m3(amax / 6));
    for (size_t i = group * 16; i < group * 16 + 16; ++i) {
      const float x = bf16_to_float(weights[i]) / decode_e4m3(q.scales[group]);
      ASSERT_EQ(q.weight[i / 2] >> (i % 2 * 4) & 15, encode_e2m1(x));
    }
  }
}

TEST(Nvfp4, MetalMultipliesByTheReciprocal) {
  // 0.75 * 11 = 8.25 is a tie that the f32 reciprocal of 11 does not meet.
  std::vector<float> weights(16, 0.0f);
  weights[0] = 66;
  weights[1] = 8.25f;
  const float metal = 8.25f * (1 / 11.0f);
  EXPECT_EQ(quantize(weights, 16, kNvfp4).weight[0] >> 4, 2);
  EXPECT_EQ(quantize(weights, 16, kNvfp4, ScaleRule::kCompat).weight[0] >> 4, encode_e2m1(metal));
  EXPECT_EQ(quantize(weights, 16, kNvfp4, ScaleRule::kCompatCpu).weight[0] >> 4, 1);
}

TEST(Nvfp4, GroupBelowTheSmallestScaleBecomesZero) {
  std::vector<float> weights(16, 0.001f);
  weights[1] = -0.001f;
  for (ScaleRule rule : {ScaleRule::kDefault, ScaleRule::kCompat, ScaleRule::kCompatCpu}) {
    const auto q = quantize(weights, 16, kNvfp4, rule);
    EXPECT_EQ(q.scales[0], 0);
    for (float w : dequantized(q, 1, 16, kNvfp4)) EXPECT_EQ(w, 0);
  }
}

TEST(SignOfZero, IsKeptExceptByMlxOnTheCpu) {
  std::vector<float> weights(32, 0.0f);
  weights[1] = -0.0f;
  weights[2] = 6;
  weights[3] = -1e-9f;
  EXPECT_EQ(quantize(weights, 32, kMxfp8).weight[1], 0x80);
  EXPECT_EQ(quantize(weights, 32, kMxfp8).weight[3], 0x80);
  for (const QuantSpec& spec : {kMxfp4, kNvfp4}) {
    EXPECT_EQ(quantize(weights, 32, spec).weight[0] >> 4, 8);
    EXPECT_EQ(quantize(weights, 32, spec).weight[1] >> 4, 8);
    EXPECT_EQ(quantize(weights, 32, spec, ScaleRule::kCompatCpu).weight[0] >> 4, 0);
    EXPECT_EQ(quantize(weights, 32, spec, ScaleRule::kCompatCpu).weight[1] >> 4, 0);
  }
}

TEST(ZeroGroup, HasScaleByteZero) {
  const std::vector<float> zeros(32, 0.0f);
  for (const QuantSpec& spec : {kMxfp8, kMxfp4, kNvfp4}) {
    for (ScaleRule rule : {ScaleRule::kDefault, ScaleRule::kCompat, ScaleRule::kCompatCpu}) {
      const bool one = rule == ScaleRule::kCompatCpu && spec.mode != QuantMode::kNvfp4;
      const auto q = quantize(zeros, 32, spec, rule);
      for (uint8_t scale : q.scales) EXPECT_EQ(scale, one ? 127 : 0);
      for (uint8_t byte : q.weight) EXPECT_EQ(byte, 0);
    }
  }
}

// Any group below 2^126: never a NaN code, never the NaN scale, and the value comes back.
TEST(Extremes, StayFiniteAndUnclipped) {
  for (uint32_t bits = 1; bits < 0x7e80; bits += 5) {
    std::vector<uint16_t> weights(32, 0x8000);
    weights[9] = static_cast<uint16_t>(bits);
    weights[10] = static_cast<uint16_t>(bits | 0x8000);
    for (const QuantSpec& spec : {kMxfp8, kMxfp4}) {
      const auto q = quantize(weights, 32, spec);
      ASSERT_NE(q.scales[0], 0xff);
      if (spec == kMxfp8) {
        for (uint8_t code : q.weight) ASSERT_NE(code & 0x7f, 0x7f);
        ASSERT_EQ(q.error.clipped_groups, 0u);
      }
      const double w = bf16_to_float(weights[9]);
      const double step = spec == kMxfp8 ? std::max(w / 16, std::ldexp(1, -137)) : w / 4 + 1e-38;
      const auto decoded = dequantized(q, 1, 32, spec);
      ASSERT_LE(std::abs(decoded[9] - w), step) << bits;
      ASSERT_EQ(decoded[10], -decoded[9]);
    }
  }
}

}  // namespace
}  // namespace octavo
