// Matrix products of every format on every instruction set of this machine, against double.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>

#include "guarded_buffer.h"
#include "kernels/kernels.h"
#include "numerics/bfloat16.h"
#include "numerics/quantize.h"
#include "octavo/error.h"

namespace octavo {
namespace {

/// A matrix of random values in storage form, each part in a guarded buffer at an odd address, and
/// the same values in f32.
struct Sample {
  MatrixView view;
  std::unique_ptr<GuardedBuffer> weight, scales, biases;
  std::vector<float> values;  // [rows, cols]
};

template <class T>
std::span<const uint8_t> as_bytes(const std::vector<T>& v) {
  return {reinterpret_cast<const uint8_t*>(v.data()), v.size() * sizeof(T)};
}

Sample quantised_sample(const QuantSpec& spec, int64_t rows, int64_t cols, SideDtype side) {
  std::mt19937 rng(static_cast<unsigned>(rows * 1000 + cols + spec.bits));
  std::normal_distribution<float> normal(0.0f, 0.5f);
  std::vector<float> source(static_cast<size_t>(rows * cols));
  for (float& x : source) x = normal(rng);

  Sample sample;
  const size_t side_values = static_cast<size_t>(rows * spec.groups(cols));
  const bool affine = spec.mode == QuantMode::kAffine;
  std::vector<uint8_t> weight(static_cast<size_t>(rows * spec.weight_bytes(cols)));
  std::vector<uint8_t> scales(side_values * (affine ? 2 : 1)), biases(affine ? scales.size() : 0);
  quantize_f32(source, cols, spec, ScaleRule::kDefault, {weight, scales, biases}, "sample");
  sample.values.resize(source.size());
  dequantize(weight, scales, biases, cols, spec, sample.values);

  if (side == SideDtype::kF32) {
    for (auto* part : {&scales, &biases}) {
      std::vector<uint8_t> wide(part->size() * 2);
      for (size_t i = 0; i < side_values; ++i) {
        uint16_t half;
        std::memcpy(&half, part->data() + 2 * i, 2);
        const float value = bf16_to_float(half);
        std::memcpy(wide.data() + 4 * i, &value, 4);
      }
      *part = wide;
    }
  }
  sample.weight = std::make_unique<GuardedBuffer>(weight);
  sample.scales = std::make_unique<GuardedBuffer>(scales);
  sample.biases = std::make_unique<GuardedBuffer>(biases);
  sample.view = {MatrixFormat::kQuantised,
                 spec,
                 side,
                 rows,
                 cols,
                 sample.weight->data(),
                 sample.scales->data(),
                 affine ? sample.biases->data() : nullptr};
  return sample;
}

Sample dense_sample(MatrixFormat format, int64_t rows, int64_t cols) {
  std::mt19937 rng(7);
  std::normal_distribution<float> normal;
  Sample sample;
  std::vector<uint8_t> bytes;
  for (int64_t i = 0; i < rows * cols; ++i) {
    float value = bf16_to_float(float_to_bf16(normal(rng)));
    uint8_t raw[4];
    size_t size = 2;
    if (format == MatrixFormat::kF32) {
      size = 4;
      std::memcpy(raw, &value, 4);
    } else if (format == MatrixFormat::kBF16) {
      const uint16_t half = float_to_bf16(value);
      std::memcpy(raw, &half, 2);
    } else {
      const auto half = static_cast<uint16_t>(rng() & 0xbfff);  // finite: exponent below 31
      std::memcpy(raw, &half, 2);
      const int exponent = half >> 10 & 31, mantissa = half & 1023;
      const double magnitude =
          exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
      value = static_cast<float>((half & 0x8000) != 0 ? -magnitude : magnitude);
    }
    bytes.insert(bytes.end(), raw, raw + size);
    sample.values.push_back(value);
  }
  sample.weight = std::make_unique<GuardedBuffer>(bytes);
  sample.view.format = format;
  sample.view.rows = rows;
  sample.view.cols = cols;
  sample.view.weight = sample.weight->data();
  return sample;
}

std::vector<std::vector<float>> random_inputs(int64_t tokens, int64_t cols) {
  std::mt19937 rng(11);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> inputs(static_cast<size_t>(tokens));
  for (auto& input : inputs) {
    input.assign(static_cast<size_t>(padded(cols)), 0.0f);
    for (int64_t i = 0; i < cols; ++i) input[i] = normal(rng);
  }
  return inputs;
}

std::vector<std::vector<float>> multiply(const Kernels& k, const MatrixView& m,
                                         const std::vector<std::vector<float>>& inputs) {
  std::vector<std::vector<float>> outputs(inputs.size(), std::vector<float>(m.rows, NAN));
  std::vector<const float*> x;
  std::vector<float*> y;
  for (size_t t = 0; t < inputs.size(); ++t) {
    x.push_back(inputs[t].data());
    y.push_back(outputs[t].data());
  }
  std::vector<float> scratch(static_cast<size_t>(exact_scratch_floats(m)));
  k.matmul(m, 0, m.rows, x.data(), std::ssize(inputs), y.data(), scratch.data());
  return outputs;
}

/// Relative RMS error against double, over all outputs.
double relative_error(const Sample& s, const std::vector<std::vector<float>>& inputs,
                      const std::vector<std::vector<float>>& outputs) {
  double difference = 0, total = 0;
  for (size_t t = 0; t < inputs.size(); ++t) {
    for (int64_t r = 0; r < s.view.rows; ++r) {
      double expected = 0;
      for (int64_t i = 0; i < s.view.cols; ++i) {
        expected += static_cast<double>(s.values[r * s.view.cols + i]) * inputs[t][i];
      }
      difference += std::pow(outputs[t][r] - expected, 2);
      total += expected * expected;
    }
  }
  return std::sqrt(difference / total);
}

void check(const Sample& sample, const std::string& what) {
  for (const std::string_view isa : available_isas()) {
    const Kernels& k = kernels_for(isa);
    for (const int64_t tokens : {1, 2, 3, 4, 5, 9}) {
      const auto inputs = random_inputs(tokens, sample.view.cols);
      const auto outputs = multiply(k, sample.view, inputs);
      EXPECT_LE(relative_error(sample, inputs, outputs), 1e-6)
          << what << " " << isa << " " << tokens;
      // One token alone gives the same bits as in company.
      for (size_t t = 0; t < inputs.size(); ++t) {
        EXPECT_EQ(multiply(k, sample.view, {inputs[t]})[0], outputs[t]) << what << " " << isa;
      }
    }
    std::vector<float> row(static_cast<size_t>(padded(sample.view.cols)));
    std::vector<float> sides(static_cast<size_t>(2 * padded(sample.view.groups())));
    for (int64_t r = 0; r < sample.view.rows; ++r) {
      k.decode_row(sample.view, r, 1.0f, row.data(), sides.data());
      for (int64_t i = 0; i < sample.view.cols; ++i) {
        const float expected = sample.values[r * sample.view.cols + i];
        ASSERT_NEAR(row[i], expected, std::abs(expected) * 2e-7 + 1e-7) << what << " " << isa;
      }
      for (int64_t i = sample.view.cols; i < padded(sample.view.cols); ++i) ASSERT_EQ(row[i], 0.0f);
    }
  }
}

TEST(Matmul, Dense) {
  for (const auto format : {MatrixFormat::kF32, MatrixFormat::kF16, MatrixFormat::kBF16}) {
    for (const int64_t cols : {1, 15, 16, 17, 100, 256}) {
      for (const int64_t rows : {1, 3, 4, 7}) {
        check(dense_sample(format, rows, cols), fmt::format("dense {}x{}", rows, cols));
      }
    }
  }
}

TEST(Matmul, AffineOfAllWidths) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int group : {32, 64, 128}) {
      for (const auto side : {SideDtype::kBF16, SideDtype::kF32}) {
        const QuantSpec spec{QuantMode::kAffine, bits, group};
        check(quantised_sample(spec, 5, group * 3, side), fmt::format("affine {}/{}", bits, group));
      }
    }
  }
}

TEST(Matmul, FloatModes) {
  for (const auto mode : {QuantMode::kMxfp8, QuantMode::kMxfp4, QuantMode::kNvfp4}) {
    const QuantSpec spec = default_spec(mode);
    for (const int64_t groups : {1, 2, 5}) {
      check(quantised_sample(spec, 6, groups * spec.group_size, SideDtype::kBF16),
            std::string(to_string(mode)));
    }
  }
}

// All codes and scale bytes, NaN included: the variants must agree with the scalar reference.
TEST(Matmul, EveryMxfp8CodeAndScaleDecodesLikeTheReference) {
  const QuantSpec spec = default_spec(QuantMode::kMxfp8);
  std::vector<uint8_t> weight(256 * 256), scales(256 * 8);
  for (int scale = 0; scale < 256; ++scale) {
    for (int code = 0; code < 256; ++code) weight[scale * 256 + code] = static_cast<uint8_t>(code);
    for (int g = 0; g < 8; ++g) scales[scale * 8 + g] = static_cast<uint8_t>(scale);
  }
  std::vector<float> expected(256 * 256);
  dequantize(weight, scales, {}, 256, spec, expected);
  const MatrixView m{MatrixFormat::kQuantised,
                     spec,
                     SideDtype::kBF16,
                     256,
                     256,
                     weight.data(),
                     scales.data(),
                     nullptr};
  for (const std::string_view isa : available_isas()) {
    for (int64_t r = 0; r < 256; ++r) {
      std::vector<float> row(256), sides(32);
      kernels_for(isa).decode_row(m, r, 1.0f, row.data(), sides.data());
      for (int i = 0; i < 256; ++i) {
        const float want = expected[r * 256 + i];
        if (std::isnan(want)) {
          ASSERT_TRUE(std::isnan(row[i])) << isa << " scale " << r << " code " << i;
        } else {
          ASSERT_EQ(row[i], want) << isa << " scale " << r << " code " << i;
        }
      }
    }
  }
}

TEST(Dispatch, NamesAndRefusals) {
  EXPECT_EQ(available_isas().back(), "scalar");
  EXPECT_EQ(kernels_for("scalar").name, "scalar");
  EXPECT_THROW(kernels_for("mmx"), Error);
  try {
    kernels_for("mmx");
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("expected one of"));
  }
}

}  // namespace
}  // namespace octavo
