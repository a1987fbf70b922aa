#include "numerics/affine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "support.h"

namespace octavo {
namespace {

using test::quantize;

constexpr QuantSpec kEightBits{QuantMode::kAffine, 8, 32};

float side(const std::vector<uint8_t>& bytes, size_t group) {
  uint16_t bits;
  std::memcpy(&bits, bytes.data() + 2 * group, 2);
  return bf16_to_float(bits);
}

TEST(Affine, CodesAreTheNearestUnderTheStoredScaleAndBias) {
  for (int bits : {2, 4, 8}) {
    const QuantSpec spec{QuantMode::kAffine, bits, 64};
    const auto weights = test::gaussian_bf16(64 * 64, 0.02f, 21);
    const auto q = quantize(weights, 64, spec);
    const auto decoded = dequantized(q, 64, 64, spec);
    for (size_t i = 0; i < weights.size(); ++i) {
      const double scale = side(q.scales, i / 64), bias = side(q.biases, i / 64);
      const double w = bf16_to_float(weights[i]);
      const double error = std::abs(w - decoded[i]);
      for (int code = 0; code < 1 << bits; ++code) {
        ASSERT_LE(error, std::abs(w - (scale * code + bias)) + 1e-5 * std::abs(scale)) << i;
      }
    }
  }
}

// Zero is exact up to the rounding of the scale, and all zeros get the same code.
TEST(Affine, TheLargerEdgeIsExact) {
  std::vector<float> weights(32, 0.0f);
  for (int i = 0; i < 20; ++i) weights[i] = bf16_to_float(float_to_bf16(-0.01f * i));
  weights[30] = 0.046875f;
  const auto q = quantize(weights, 32, kEightBits);
  const auto decoded = dequantized(q, 1, 32, kEightBits);
  EXPECT_EQ(decoded[19], weights[19]);
  EXPECT_LE(std::abs(decoded[0]), std::abs(side(q.scales, 0)) / 2);
  EXPECT_EQ(decoded[31], decoded[0]);
}

TEST(Affine, ScaleIsNegativeUnlessTheMinimumIsLarger) {
  std::vector<float> weights(32, 0.5f);
  weights[0] = 1;
  EXPECT_LT(side(quantize(weights, 32, kEightBits).scales, 0), 0);
  weights[0] = -1;
  EXPECT_GT(side(quantize(weights, 32, kEightBits).scales, 0), 0);
}

// Metal starts its maximum at 0: the range of an all-negative group reaches up to there.
TEST(Affine, CompatRangeOfNegativeGroupsReachesZero) {
  std::vector<float> weights(32, -0.5f);
  weights[0] = -1;
  const auto metal = quantize(weights, 32, kEightBits, ScaleRule::kCompat);
  EXPECT_EQ(side(metal.scales, 0), bf16_to_float(float_to_bf16(1.0f / 255)));
  EXPECT_EQ(side(metal.biases, 0), -1);
  EXPECT_EQ(metal.weight[0], 0);
  EXPECT_NEAR(metal.weight[1], 127.5, 0.5);
  const auto cpu = quantize(weights, 32, kEightBits, ScaleRule::kCompatCpu);
  EXPECT_EQ(side(cpu.scales, 0), bf16_to_float(float_to_bf16(0.5f / 255)));
  EXPECT_EQ(cpu.weight[1], 255);
}

TEST(Affine, RoundingOfHalves) {
  std::vector<float> weights(32, 0.0f);
  weights[1] = 255;  // scale -1, bias 255: the code is 255 - w
  weights[2] = 0.5f;
  weights[3] = 1.5f;
  weights[4] = 2.5f;
  const auto even = quantize(weights, 32, kEightBits);
  EXPECT_EQ(even.weight[2], 254);
  EXPECT_EQ(even.weight[3], 254);
  EXPECT_EQ(even.weight[4], 252);
  const auto away = quantize(weights, 32, kEightBits, ScaleRule::kCompat);
  EXPECT_EQ(away.weight[2], 255);
  EXPECT_EQ(away.weight[3], 254);
  EXPECT_EQ(away.weight[4], 253);
}

TEST(Affine, RulesOfMlxTakeCodesFromTheUnroundedScale) {
  const auto weights = test::gaussian_bf16(64 * 64, 0.02f, 22);
  const QuantSpec spec{QuantMode::kAffine, 8, 64};
  const auto own = quantize(weights, 64, spec);
  const auto cpu = quantize(weights, 64, spec, ScaleRule::kCompatCpu);
  EXPECT_EQ(own.scales, cpu.scales);
  EXPECT_EQ(own.biases, cpu.biases);
  EXPECT_NE(own.weight, cpu.weight);
  EXPECT_LT(own.error.squared_error, cpu.error.squared_error);
}

TEST(Affine, ZeroGroupAndConstantGroup) {
  const auto zero = quantize(std::vector<float>(32, 0.0f), 32, kEightBits);
  EXPECT_EQ(side(zero.scales, 0), bf16_to_float(float_to_bf16(-1e-7f)));
  EXPECT_EQ(side(zero.biases, 0), 0);
  for (float w : dequantized(zero, 1, 32, kEightBits)) EXPECT_EQ(w, 0);
  for (float constant : {0.375f, -0.375f, 1e-30f}) {
    const auto q = quantize(std::vector<float>(32, constant), 32, kEightBits);
    EXPECT_NEAR(dequantized(q, 1, 32, kEightBits)[5], constant, 1e-7);
  }
}

TEST(Affine, ClippedMeansMoreThanHalfAStepOutside) {
  constexpr int64_t kGroups = 400;
  const auto weights = test::gaussian_bf16(kGroups * 32, 0.02f, 23);
  uint64_t clipped = 0;
  for (int64_t group = 0; group < kGroups; ++group) {
    const std::vector<uint16_t> one(weights.begin() + group * 32,
                                    weights.begin() + group * 32 + 32);
    const auto q = quantize(one, 32, kEightBits);
    const float scale = side(q.scales, 0), bias = side(q.biases, 0);
    bool outside = false;
    for (float w : test::widen(one)) {
      const float steps = (w - bias) / scale;
      outside |= steps < -0.5f || steps > 255.5f;
    }
    ASSERT_EQ(q.error.clipped_groups, outside ? 1u : 0u);
    clipped += outside;
  }
  EXPECT_GT(clipped, 0u);  // both cases occur
  EXPECT_LT(clipped, static_cast<uint64_t>(kGroups));
}

}  // namespace
}  // namespace octavo
