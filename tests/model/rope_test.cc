// Frequencies of both RoPE types against the values that the model's makers' code gives.
#include "model/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace octavo {
namespace {

TEST(Rope, DefaultTypeRotatesEveryPair) {
  const auto f = rope_frequencies({.theta = 10000.0}, 256);
  ASSERT_EQ(f.size(), 128u);
  EXPECT_FLOAT_EQ(f[0], 1.0f);
  EXPECT_NEAR(f[1], 0.930572f, 1e-6);
  EXPECT_NEAR(f[64], 0.01f, 1e-8);
  EXPECT_NEAR(f[127], 1.074608e-4f, 1e-10);
}

TEST(Rope, ProportionalTypeDividesByTheWholeHead) {
  const auto f = rope_frequencies({.theta = 1e6, .partial_rotary_factor = 0.25}, 512);
  ASSERT_EQ(f.size(), 256u);
  EXPECT_NEAR(f[1], 0.947464f, 1e-6);
  EXPECT_NEAR(f[32], 0.177828f, 1e-6);
  EXPECT_NEAR(f[63], 0.0333762f, 1e-7);
  for (size_t i = 64; i < f.size(); ++i) EXPECT_EQ(f[i], 0.0f);
}

TEST(Rope, FactorDividesTheFrequencies) {
  const auto plain = rope_frequencies({.theta = 1e4}, 32);
  const auto scaled = rope_frequencies({.theta = 1e4, .factor = 8.0}, 32);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_FLOAT_EQ(scaled[i], plain[i] / 8);
}

TEST(Rope, TableHoldsCosineAndSineOfTheAngles) {
  const auto f = rope_frequencies({.theta = 1e4}, 64);
  const int64_t positions[] = {0, 1, 77, 262143};
  const RopeTable table = rope_table(f, positions);
  for (int64_t t = 0; t < 4; ++t) {
    for (size_t i = 0; i < f.size(); ++i) {
      const float angle = static_cast<float>(positions[t]) * f[i];
      EXPECT_NEAR(table.cos.row(t)[i], std::cos(double{angle}), 1e-6);
      EXPECT_NEAR(table.sin.row(t)[i], std::sin(double{angle}), 1e-6);
    }
  }
}

}  // namespace
}  // namespace octavo
