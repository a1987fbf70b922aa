// Byte for byte against MLX on the CPU; the vectors and their versions: tools/goldens/numerics.py.
#include "golden.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "support.h"

namespace octavo {
namespace {

using test::Golden;
using test::quantize;
using test::Quantized;
using test::read_golden;

class GoldenTest : public testing::TestWithParam<QuantSpec> {
 protected:
  static Quantized of(const Golden& golden) {
    return {golden.bytes("codes"), golden.bytes("scales"), golden.bytes("biases"), {}};
  }
};

TEST_P(GoldenTest, CompatCpuWritesTheSameBytes) {
  const QuantSpec& spec = GetParam();
  std::vector<std::string> sets{"quantized"};
  const bool microscaling = spec.mode == QuantMode::kMxfp4 || spec.mode == QuantMode::kMxfp8;
  if (!microscaling) sets.push_back("subnormal");
  for (const auto& set : sets) {
    const Golden source = read_golden(set == "subnormal" ? "subnormal" : "weights");
    const Golden golden = read_golden(set + "_" + test::name_of(spec));
    ASSERT_EQ(golden.spec(), spec);
    const auto weights = source.as<uint16_t>("weights");
    const Quantized expected = of(golden);
    const Quantized actual = quantize(weights, source.in, spec, ScaleRule::kCompatCpu);
    EXPECT_EQ(actual.weight, expected.weight) << set;
    EXPECT_EQ(actual.scales, expected.scales) << set;
    EXPECT_EQ(actual.biases, expected.biases) << set;
    EXPECT_EQ(quantize(test::widen(weights), source.in, spec, ScaleRule::kCompatCpu), expected);
  }
}

TEST_P(GoldenTest, DecodesBitExactly) {
  const Golden golden = read_golden("quantized_" + test::name_of(GetParam()));
  const auto decoded = dequantized(of(golden), golden.rows, golden.in, GetParam());
  const auto expected = golden.as<uint32_t>("decoded");
  ASSERT_EQ(decoded.size(), expected.size());
  for (size_t i = 0; i < decoded.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(decoded[i]), expected[i]) << i;
  }
}

TEST_P(GoldenTest, EveryCodeUnderManyScales) {
  const QuantSpec& spec = GetParam();
  if (spec.mode == QuantMode::kAffine) return;  // no table: covered above
  const Golden golden = read_golden("decoded_" + std::string(to_string(spec.mode)));
  const auto decoded = dequantized(of(golden), golden.rows, golden.in, spec);
  const auto expected = golden.as<float>("decoded");
  for (size_t i = 0; i < decoded.size(); ++i) {
    if (std::isnan(expected[i])) {
      ASSERT_TRUE(std::isnan(decoded[i])) << i;
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(decoded[i]), std::bit_cast<uint32_t>(expected[i])) << i;
    }
  }
}

// Octavo's affine encoder takes MLX's scales and biases and differs in the codes alone.
TEST_P(GoldenTest, DefaultAffineKeepsScalesAndBiases) {
  const QuantSpec& spec = GetParam();
  if (spec.mode != QuantMode::kAffine) return;
  const Golden source = read_golden("weights");
  const Quantized expected = of(read_golden("quantized_" + test::name_of(spec)));
  const Quantized actual = quantize(source.as<uint16_t>("weights"), source.in, spec);
  EXPECT_EQ(actual.scales, expected.scales);
  EXPECT_EQ(actual.biases, expected.biases);
}

INSTANTIATE_TEST_SUITE_P(Every, GoldenTest, testing::ValuesIn(test::all_specs()),
                         [](const auto& instance) { return test::name_of(instance.param); });

}  // namespace
}  // namespace octavo
