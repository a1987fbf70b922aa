// Norm, activation and softcap of every instruction set against double.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "every_isa.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

class EveryIsa : public testing::TestWithParam<std::string> {
 protected:
  const Kernels& k() const { return kernels_for(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Elementwise, EveryIsa, testing::ValuesIn(isa_names()),
                         [](const auto& isa) { return isa.param; });

TEST_P(EveryIsa, RmsNorm) {
  for (const int64_t n : {1, 7, 16, 33, 192, 2816}) {
    const auto x = random_values(n, 3.0f), w = random_values(n, 1.0f, 5);
    std::vector<float> out(x.size()), bare(x.size());
    k().rms_norm(x.data(), w.data(), 1e-6f, 0.5f, n, out.data());
    k().rms_norm(x.data(), nullptr, 1e-6f, 1.0f, n, bare.data());
    double squares = 0;
    for (const float v : x) squares += double{v} * v;
    const double factor = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-6);
    for (int64_t i = 0; i < n; ++i) {
      EXPECT_NEAR(out[i], x[i] * factor * 0.5 * w[i], 1e-6 * std::abs(out[i]) + 1e-9);
      EXPECT_NEAR(bare[i], x[i] * factor, 1e-6 * std::abs(bare[i]) + 1e-9);
    }
  }
}

TEST_P(EveryIsa, GeluMultiplyUsesTheTanhForm) {
  std::vector<float> gate;
  for (float x = -30; x <= 30; x += 0.037f) gate.push_back(x);
  gate.push_back(0.0f);
  gate.push_back(-0.0f);
  gate.push_back(1e-20f);
  const std::vector<float> up = random_values(std::ssize(gate), 2.0f);
  std::vector<float> out(gate.size());
  k().gelu_multiply(gate.data(), up.data(), std::ssize(gate), out.data());
  for (size_t i = 0; i < gate.size(); ++i) {
    const double g = gate[i];
    const double gelu = 0.5 * g * (1 + std::tanh(std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g)));
    EXPECT_NEAR(out[i], gelu * up[i], 2e-7 * (std::abs(g * up[i])) + 1e-12) << g;
  }
}

TEST_P(EveryIsa, SoftcapIsBoundedAndPassesNan) {
  std::vector<float> x;
  for (float v = -500; v <= 500; v += 0.73f) x.push_back(v);
  x.push_back(INFINITY);
  x.push_back(-INFINITY);
  std::vector<float> capped = x;
  k().softcap(capped.data(), 30.0f, std::ssize(capped));
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(capped[i], 30 * std::tanh(double{x[i]} / 30), 5e-6);
  }
  float nan = NAN;
  k().softcap(&nan, 30.0f, 1);
  EXPECT_TRUE(std::isnan(nan));
}

TEST_P(EveryIsa, Accumulate) {
  const auto x = random_values(37, 1.0f);
  auto out = random_values(37, 1.0f, 9);
  const auto before = out;
  k().accumulate(x.data(), 0.75f, 37, out.data());
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(out[i], before[i] + 0.75 * x[i], 1e-6);
}

}  // namespace
}  // namespace octavo
