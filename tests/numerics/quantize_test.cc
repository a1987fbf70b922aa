// What all modes have in common: errors, statistics, determinism, and the error on known data.
#include "numerics/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "octavo/error.h"
#include "support.h"

namespace octavo {
namespace {

using test::quantize;
using test::Quantized;

constexpr ScaleRule kRules[] = {ScaleRule::kDefault, ScaleRule::kCompat, ScaleRule::kCompatCpu};

template <typename Action>
std::string message_of(ErrorCode code, Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

class EveryFormat : public testing::TestWithParam<QuantSpec> {};

INSTANTIATE_TEST_SUITE_P(Every, EveryFormat, testing::ValuesIn(test::all_specs()),
                         [](const auto& instance) { return test::name_of(instance.param); });

TEST_P(EveryFormat, RefusesNonFiniteWeights) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (float bad : {kInf, -kInf, std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> weights(3 * 256, 0.5f);
    weights[2 * 256 + 130] = bad;
    weights[2 * 256 + 131] = bad;
    std::vector<uint16_t> narrow;
    for (float w : weights) narrow.push_back(float_to_bf16(w));
    for (ScaleRule rule : kRules) {
      Quantized out = test::buffers_for(3, 256, GetParam());
      const QuantizedRows rows{out.weight, out.scales, out.biases};
      for (const auto& message :
           {message_of(ErrorCode::kBadFile,
                       [&] { quantize_f32(weights, 256, GetParam(), rule, rows, "a.weight"); }),
            message_of(ErrorCode::kBadFile,
                       [&] { quantize_bf16(narrow, 256, GetParam(), rule, rows, "a.weight"); })}) {
        EXPECT_THAT(message, testing::HasSubstr("a.weight"));
        EXPECT_THAT(message, testing::HasSubstr("[2, 130]"));
      }
    }
  }
}

TEST_P(EveryFormat, RowsAreIndependentAndRepeatable) {
  constexpr int64_t kIn = 256, kRows = 6;
  const auto weights = test::gaussian_bf16(kIn * kRows, 0.05f, 31);
  for (ScaleRule rule : kRules) {
    const Quantized whole = quantize(weights, kIn, GetParam(), rule);
    EXPECT_EQ(quantize(weights, kIn, GetParam(), rule), whole);
    Quantized joined;
    for (int64_t row = 0; row < kRows; ++row) {
      const auto first = weights.begin() + row * kIn;
      const Quantized part =
          quantize(std::vector<uint16_t>(first, first + kIn), kIn, GetParam(), rule);
      joined.weight.insert(joined.weight.end(), part.weight.begin(), part.weight.end());
      joined.scales.insert(joined.scales.end(), part.scales.begin(), part.scales.end());
      joined.biases.insert(joined.biases.end(), part.biases.begin(), part.biases.end());
      joined.error += part.error;
    }
    EXPECT_EQ(joined, whole);
    EXPECT_EQ(joined.error.elements, whole.error.elements);
    EXPECT_EQ(joined.error.groups, whole.error.groups);
    EXPECT_EQ(joined.error.clipped_groups, whole.error.clipped_groups);
    EXPECT_NEAR(joined.error.squared_error, whole.error.squared_error,
                1e-12 * whole.error.squared_error);
  }
}

TEST_P(EveryFormat, F32WeightsThatAreBf16GiveTheSameBytes) {
  const auto weights = test::gaussian_bf16(1024, 0.05f, 32);
  for (ScaleRule rule : kRules) {
    EXPECT_EQ(quantize(test::widen(weights), 256, GetParam(), rule),
              quantize(weights, 256, GetParam(), rule));
  }
}

TEST_P(EveryFormat, ReportsTheErrorOfTheDecodedRows) {
  const auto weights = test::gaussian_bf16(4096, 0.05f, 33);
  for (ScaleRule rule : kRules) {
    const Quantized q = quantize(weights, 256, GetParam(), rule);
    const auto decoded = dequantized(q, 16, 256, GetParam());
    double squared_error = 0, squared_weight = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      const double w = bf16_to_float(weights[i]);
      squared_error += (w - decoded[i]) * (w - decoded[i]);
      squared_weight += w * w;
    }
    EXPECT_NEAR(q.error.squared_error, squared_error, 1e-12 * squared_error);
    EXPECT_NEAR(q.error.squared_weight, squared_weight, 1e-12 * squared_weight);
    EXPECT_EQ(q.error.elements, weights.size());
    EXPECT_EQ(q.error.groups, weights.size() / GetParam().group_size);
  }
}

TEST_P(EveryFormat, RefusesWrongSizes) {
  const QuantSpec& spec = GetParam();
  const std::vector<uint16_t> weights(512, 0);
  Quantized out = test::buffers_for(2, 256, spec);
  const auto run = [&](int64_t in) {
    quantize_bf16(weights, in, spec, ScaleRule::kDefault, {out.weight, out.scales, out.biases},
                  "a.weight");
  };
  const int64_t group = spec.group_size;
  EXPECT_THAT(message_of(ErrorCode::kBadRequest, [&] { run(group + 8); }),
              testing::HasSubstr("multiple of group size"));
  message_of(ErrorCode::kBadRequest, [&] { run(0); });
  message_of(ErrorCode::kBadRequest, [&] { run(-256); });
  message_of(ErrorCode::kInternal, [&] { run(384); });
  out.scales.pop_back();
  EXPECT_THAT(message_of(ErrorCode::kInternal, [&] { run(256); }), testing::HasSubstr("scales"));
  std::vector<float> decoded(512);
  message_of(ErrorCode::kInternal,
             [&] { dequantize(out.weight, out.scales, out.biases, 256, spec, decoded); });
}

// A damaged file may hold any bytes: decoding them must not fault.
TEST_P(EveryFormat, DecodesAnyBytes) {
  Quantized q = test::buffers_for(2, 256, GetParam());
  for (uint8_t byte : {0x00, 0x7f, 0x80, 0xff}) {
    for (auto* bytes : {&q.weight, &q.scales, &q.biases}) {
      std::fill(bytes->begin(), bytes->end(), byte);
    }
    EXPECT_EQ(dequantized(q, 2, 256, GetParam()).size(), 512u);
  }
}

TEST(Dequantize, NanCodesAreNan) {
  const QuantSpec mxfp8 = default_spec(QuantMode::kMxfp8);
  Quantized q = quantize(std::vector<float>(32, 1.0f), 32, mxfp8);
  q.weight[4] = 0x7f;
  EXPECT_TRUE(std::isnan(dequantized(q, 1, 32, mxfp8)[4]));
  EXPECT_EQ(dequantized(q, 1, 32, mxfp8)[5], 1);
  q.scales[0] = 0xff;
  EXPECT_TRUE(std::isnan(dequantized(q, 1, 32, mxfp8)[5]));
}

TEST(Quantize, RefusesAnUnknownFormat) {
  const std::vector<uint16_t> weights(64, 0);
  message_of(ErrorCode::kBadRequest, [&] {
    quantize_bf16(weights, 64, {QuantMode::kAffine, 7, 64}, ScaleRule::kDefault, {}, "w");
  });
}

// Twice as much could decode to infinity.
TEST_P(EveryFormat, RefusesWeightsThatAreTooLarge) {
  const float largest = std::nextafter(0x1p126f, 0.0f);
  std::vector<float> weights(256, 0.0f);
  weights[129] = largest;
  weights[130] = -largest;
  for (float w : dequantized(quantize(weights, 256, GetParam()), 1, 256, GetParam())) {
    EXPECT_TRUE(std::isfinite(w));
  }
  weights[129] = -0x1p126f;
  for (ScaleRule rule : kRules) {
    Quantized out = test::buffers_for(1, 256, GetParam());
    const auto message = message_of(ErrorCode::kBadFile, [&] {
      quantize_f32(weights, 256, GetParam(), rule, {out.weight, out.scales, out.biases},
                   "a.weight");
    });
    EXPECT_THAT(message, testing::HasSubstr("a.weight: group " +
                                            std::to_string(129 / GetParam().group_size)));
  }
}

TEST(Quantize, NamesOfTensorsAreMadePrintable) {
  const std::vector<float> weights(32, std::numeric_limits<float>::infinity());
  const QuantSpec spec = default_spec(QuantMode::kMxfp8);
  Quantized out = test::buffers_for(1, 32, spec);
  const auto message = message_of(ErrorCode::kBadFile, [&] {
    quantize_f32(weights, 32, spec, ScaleRule::kDefault, {out.weight, out.scales, out.biases},
                 "a\nb");
  });
  EXPECT_THAT(message, testing::StartsWith("a?b: "));
}

/// Relative RMSE in % on Gaussian data; sigma runs over an octave, because power-of-two scales make
/// the error depend on it. The bounds are formats.md's measurements.
struct Expectation {
  QuantSpec spec;
  ScaleRule rule;
  double low, high;
};

class GaussianError : public testing::TestWithParam<Expectation> {};

TEST_P(GaussianError, LiesInTheMeasuredRange) {
  const auto& [spec, rule, low, high] = GetParam();
  for (int step = 0; step < 4; ++step) {
    const float sigma = 0.02f * std::exp2(step / 4.0f);
    const auto error =
        quantize(test::gaussian_bf16(1 << 18, sigma, 41 + step), 1 << 10, spec, rule).error;
    const double rmse = 100 * std::sqrt(error.squared_error / error.squared_weight);
    EXPECT_GE(rmse, low) << sigma;
    EXPECT_LE(rmse, high) << sigma;
    if (spec.mode == QuantMode::kMxfp8) {
      const double clipped = static_cast<double>(error.clipped_groups) / error.groups;
      if (rule == ScaleRule::kCompat) {
        EXPECT_GT(clipped, 0.33);
        EXPECT_LT(clipped, 0.66);
      } else {
        EXPECT_EQ(error.clipped_groups, 0u);
      }
    }
  }
}

QuantSpec affine(int bits, int group) {
  return {QuantMode::kAffine, bits, group};
}

INSTANTIATE_TEST_SUITE_P(
    Every, GaussianError,
    testing::Values(Expectation{default_spec(QuantMode::kMxfp8), ScaleRule::kDefault, 2.62, 2.70},
                    Expectation{default_spec(QuantMode::kMxfp8), ScaleRule::kCompatCpu, 2.62, 2.70},
                    Expectation{default_spec(QuantMode::kMxfp8), ScaleRule::kCompat, 5.45, 7.65},
                    Expectation{default_spec(QuantMode::kMxfp4), ScaleRule::kDefault, 11.0, 11.35},
                    Expectation{default_spec(QuantMode::kMxfp4), ScaleRule::kCompatCpu, 11.4,
                                11.95},
                    Expectation{default_spec(QuantMode::kMxfp4), ScaleRule::kCompat, 11.5, 12.6},
                    Expectation{default_spec(QuantMode::kNvfp4), ScaleRule::kDefault, 9.7, 10.4},
                    Expectation{affine(2, 64), ScaleRule::kDefault, 39.0, 39.8},
                    Expectation{affine(3, 64), ScaleRule::kDefault, 18.8, 19.2},
                    Expectation{affine(4, 32), ScaleRule::kDefault, 8.0, 8.2},
                    Expectation{affine(4, 64), ScaleRule::kDefault, 9.0, 9.2},
                    Expectation{affine(4, 128), ScaleRule::kDefault, 9.9, 10.1},
                    Expectation{affine(5, 64), ScaleRule::kDefault, 4.35, 4.46},
                    Expectation{affine(6, 64), ScaleRule::kDefault, 2.14, 2.20},
                    Expectation{affine(8, 32), ScaleRule::kDefault, 0.47, 0.49},
                    Expectation{affine(8, 64), ScaleRule::kDefault, 0.53, 0.56},
                    Expectation{affine(8, 64), ScaleRule::kCompat, 0.65, 0.74},
                    Expectation{affine(8, 64), ScaleRule::kCompatCpu, 0.65, 0.74}));

}  // namespace
}  // namespace octavo
