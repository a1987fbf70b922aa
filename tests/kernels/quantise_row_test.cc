// Activations into integers, on every instruction set of this machine.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "every_isa.h"
#include "sample.h"

namespace octavo {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

class EveryIsaQuantise : public testing::TestWithParam<std::string> {
 protected:
  const Kernels& k() const { return kernels_for(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(QuantiseRow, EveryIsaQuantise, testing::ValuesIn(isa_names()),
                         [](const auto& isa) { return isa.param; });

/// One row that ends at an inaccessible page, as integers.
struct Quantised {
  Quantised(const Kernels& k, const std::vector<float>& x)
      : kernels(k),
        input({reinterpret_cast<const uint8_t*>(x.data()), x.size() * sizeof(float)}),
        output(std::vector<uint8_t>(static_cast<size_t>(integer_row_bytes(std::ssize(x))), 0xcd)),
        row(integer_row_at(output.data(), std::ssize(x))) {
    k.quantise_row(reinterpret_cast<const float*>(input.data()), std::ssize(x), row);
  }
  int code(int64_t i) const { return row.codes[code_place(kernels, i)]; }

  const Kernels& kernels;
  GuardedBuffer input;
  GuardedBuffer output;
  IntegerRow row;
};

TEST_P(EveryIsaQuantise, CodesAreWithinHalfAStep) {
  for (const int64_t n : {1, 31, 32, 33, 63, 64, 65, 100, 2112}) {
    std::vector<float> x = random_inputs(1, n)[0];
    x.resize(static_cast<size_t>(n));
    const Quantised q(k(), x);
    const int64_t all = integer_blocks(n) * kIntegerBlock;
    for (int64_t g = 0; g < all / 32; ++g) {
      float largest = 0;
      double sum = 0;
      int largest_code = 0;
      for (int64_t i = g * 32; i < (g + 1) * 32; ++i) {
        const float value = i < n ? x[i] : 0.0f;
        largest = std::max(largest, std::abs(value));
        largest_code = std::max(largest_code, std::abs(q.code(i)));
        sum += q.code(i);
        // Rounding of the scale and of its inverse may add some of a step.
        ASSERT_LE(std::abs(static_cast<double>(q.code(i)) * q.row.scales[g] - value),
                  q.row.scales[g] * (0.5 + 4095 * 2e-7))
            << n << " element " << i;
      }
      EXPECT_EQ(largest_code, largest == 0 ? 0 : kIntegerMax) << n << " group " << g;
      EXPECT_FLOAT_EQ(q.row.scales[g], largest / kIntegerMax) << n << " group " << g;
      EXPECT_EQ(q.row.sums[g], static_cast<float>(sum) * q.row.scales[g]) << n << " group " << g;
    }
  }
}

TEST_P(EveryIsaQuantise, ZerosAndTinyValuesAreZero) {
  for (const float value : {0.0f, -0.0f, 9e-31f, 1e-40f, -1e-45f}) {
    const Quantised q(k(), std::vector<float>(40, value));
    for (int64_t i = 0; i < 64; ++i) EXPECT_EQ(q.code(i), 0) << value;
    for (int g = 0; g < 2; ++g) {
      EXPECT_EQ(q.row.scales[g], 0) << value;
      EXPECT_EQ(q.row.sums[g], 0) << value;
    }
  }
}

TEST_P(EveryIsaQuantise, SmallAndLargeGroupsDoNotDisturbEachOther) {
  for (const float size : {2e-30f, 1e-20f, 1.0f, 1e20f, 3.4e38f}) {
    std::vector<float> x(96, 1.0f);
    for (int i = 32; i < 64; ++i) x[i] = i % 2 == 0 ? size : -size;
    const Quantised q(k(), x);
    for (int i = 0; i < 96; ++i) {
      EXPECT_EQ(q.code(i), i / 32 == 1 && i % 2 == 1 ? -kIntegerMax : kIntegerMax) << size;
    }
    EXPECT_EQ(q.row.scales[0], q.row.scales[2]);
    EXPECT_FLOAT_EQ(q.row.scales[1] * kIntegerMax, size);
    EXPECT_EQ(q.row.sums[1], 0);
    EXPECT_FLOAT_EQ(q.row.sums[2], 32);
  }
}

TEST_P(EveryIsaQuantise, WhatIsNotFiniteMakesItsGroupNaN) {
  for (const float bad : {kNaN, -kNaN, kInf, -kInf}) {
    for (const size_t place : {0u, 15u, 16u, 31u, 32u, 47u, 70u, 99u}) {
      std::vector<float> x(100, 0.5f);
      x[place] = bad;
      const Quantised q(k(), x);
      for (size_t g = 0; g < 4; ++g) {
        EXPECT_EQ(std::isnan(q.row.scales[g]), g == place / 32) << bad << " at " << place;
        EXPECT_EQ(std::isnan(q.row.sums[g]), g == place / 32) << bad << " at " << place;
      }
    }
  }
}

// What lets one matrix product serve every order of codes: see IntegerRow.
TEST_P(EveryIsaQuantise, EveryRunOfSixteenHasItsPlacesInBothHalves) {
  std::vector<bool> taken(64);
  for (int i = 0; i < 64; ++i) {
    const int place = k().code_place(i);
    EXPECT_EQ(place % 32 / 8, i / 16) << i;
    EXPECT_FALSE(taken.at(static_cast<size_t>(place))) << i;
    taken[static_cast<size_t>(place)] = true;
  }
}

TEST_P(EveryIsaQuantise, SameBitsAsTheScalarKernels) {
  for (const int64_t n : {1, 31, 33, 100, 704, 2816}) {
    Rows inputs = random_inputs(4, n);
    for (auto& x : inputs) x.resize(static_cast<size_t>(n));
    for (size_t i = 0; i < inputs[1].size(); ++i) {
      inputs[1][i] = std::round(inputs[1][i] * 4) + 0.5f;  // many ties
      inputs[2][i] *= 1e-30f;
      inputs[3][i] *= 1e37f;
    }
    for (const auto& x : inputs) {
      const Quantised ours(k(), x), scalar(kernels_for("scalar"), x);
      const int64_t all = integer_blocks(n) * kIntegerBlock;
      for (int64_t i = 0; i < all; ++i) ASSERT_EQ(ours.code(i), scalar.code(i)) << n << ": " << i;
      // Scales and sums lie end to end.
      EXPECT_EQ(std::memcmp(ours.row.scales, scalar.row.scales, static_cast<size_t>(all / 32) * 8),
                0)
          << n;
    }
  }
}

}  // namespace
}  // namespace octavo
