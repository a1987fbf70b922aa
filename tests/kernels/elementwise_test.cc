// Norm, activation, softcap and attention of every instruction set against double.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "kernels/kernels.h"
#include "numerics/bfloat16.h"

namespace octavo {
namespace {

std::vector<float> random_values(int64_t n, float spread, unsigned seed = 3) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& x : values) x = normal(rng);
  return values;
}

class EveryIsa : public testing::TestWithParam<std::string> {
 protected:
  const Kernels& k() const { return kernels_for(GetParam()); }
};

std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (const std::string_view name : available_isas()) names.emplace_back(name);
  return names;
}

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

struct KvSample {
  std::vector<std::vector<std::byte>> blocks;
  std::vector<const std::byte*> pointers;
  std::vector<std::vector<float>> rows;  // by position
};

KvSample make_kv(int64_t positions, int64_t dim, int64_t block, bool bf16, unsigned seed) {
  KvSample sample;
  const size_t size = bf16 ? 2 : 4;
  for (int64_t p = 0; p < positions; ++p) {
    if (p % block == 0) sample.blocks.emplace_back(static_cast<size_t>(block * dim) * size);
    std::vector<float> row = random_values(dim, 0.4f, seed + static_cast<unsigned>(p));
    std::byte* out = sample.blocks.back().data() + static_cast<size_t>(p % block * dim) * size;
    for (int64_t i = 0; i < dim; ++i) {
      if (bf16) {
        const uint16_t bits = float_to_bf16(row[i]);
        row[i] = bf16_to_float(bits);
        std::memcpy(out + 2 * i, &bits, 2);
      } else {
        std::memcpy(out + 4 * i, &row[i], 4);
      }
    }
    sample.rows.push_back(row);
  }
  for (const auto& b : sample.blocks) sample.pointers.push_back(b.data());
  return sample;
}

TEST_P(EveryIsa, Attention) {
  constexpr int64_t kBlock = 8;
  for (const bool bf16 : {false, true}) {
    for (const int64_t dim : {16, 32, 80, 256}) {
      for (const int64_t group : {1, 2, 3, 4, 8}) {
        for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, 1}, {0, 40}, {13, 37}}) {
          const KvSample keys = make_kv(end, dim, kBlock, bf16, 100);
          const KvSample values = make_kv(end, dim, kBlock, bf16, 900);
          const auto query = random_values(group * dim, 0.7f);
          const int64_t stride = padded(end - begin);
          std::vector<float> scores(static_cast<size_t>(group * stride));
          std::vector<float> out(query.size());
          k().attention({query.data(),
                         group,
                         dim,
                         {keys.pointers.data(), 0, kBlock, bf16},
                         {values.pointers.data(), 0, kBlock, bf16},
                         begin,
                         end,
                         scores.data(),
                         stride,
                         out.data()});
          for (int64_t g = 0; g < group; ++g) {
            std::vector<double> weights;
            double sum = 0;
            for (int64_t p = begin; p < end; ++p) {
              double dot = 0;
              for (int64_t i = 0; i < dim; ++i) dot += double{query[g * dim + i]} * keys.rows[p][i];
              weights.push_back(dot);
            }
            const double top = *std::max_element(weights.begin(), weights.end());
            for (double& w : weights) sum += w = std::exp(w - top);
            for (int64_t i = 0; i < dim; ++i) {
              double expected = 0;
              for (int64_t p = begin; p < end; ++p) {
                expected += weights[p - begin] / sum * values.rows[p][i];
              }
              EXPECT_NEAR(out[g * dim + i], expected, 3e-6);
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace octavo
