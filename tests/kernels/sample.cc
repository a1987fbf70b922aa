#include "sample.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <stdexcept>

#include "numerics/bfloat16.h"
#include "numerics/e4m3.h"
#include "numerics/quantize.h"

namespace octavo {
namespace {

/// IEEE half precision of a value that it can hold.
uint16_t exact_half(float value) {
  const int sign = std::signbit(value) ? 0x8000 : 0;
  const float magnitude = std::abs(value);
  const int exponent = magnitude > 0 ? std::max(std::ilogb(magnitude), -14) : -14;
  const float mantissa = std::ldexp(magnitude, 10 - exponent);
  if (exponent > 15 || mantissa != std::floor(mantissa)) {
    throw std::runtime_error(fmt::format("{} is no half", value));
  }
  // The implied bit of normal numbers adds one to the exponent.
  return static_cast<uint16_t>(sign + ((exponent + 14) << 10) + static_cast<int>(mantissa));
}

float half_value(uint16_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return static_cast<float>((half & 0x8000) != 0 ? -magnitude : magnitude);
}

}  // namespace

std::vector<uint8_t> convert_sides(std::span<const uint8_t> bf16, SideDtype side) {
  if (side == SideDtype::kBF16) return {bf16.begin(), bf16.end()};
  const size_t size = side == SideDtype::kF32 ? 4 : 2;
  std::vector<uint8_t> out(bf16.size() / 2 * size);
  for (size_t i = 0; i < bf16.size() / 2; ++i) {
    uint16_t bits;
    std::memcpy(&bits, bf16.data() + 2 * i, 2);
    const float value = bf16_to_float(bits);
    if (side == SideDtype::kF16) bits = exact_half(value);
    std::memcpy(out.data() + size * i,
                side == SideDtype::kF16 ? static_cast<const void*>(&bits) : &value, size);
  }
  return out;
}

float side_value(const uint8_t* sides, SideDtype side, int64_t index) {
  if (side == SideDtype::kF32) {
    float value;
    std::memcpy(&value, sides + 4 * index, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, sides + 2 * index, 2);
  return side == SideDtype::kBF16 ? bf16_to_float(bits) : half_value(bits);
}

Sample stored_sample(const QuantSpec& spec, int64_t rows, int64_t cols, SideDtype side,
                     std::span<const uint8_t> weight, std::span<const uint8_t> scales,
                     std::span<const uint8_t> biases) {
  Sample sample;
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
                 spec.has_biases() ? sample.biases->data() : nullptr};
  return sample;
}

Sample quantised_sample(const QuantSpec& spec, int64_t rows, int64_t cols, SideDtype side) {
  std::mt19937 rng(static_cast<unsigned>(rows * 1000 + cols + spec.bits));
  std::normal_distribution<float> normal(0.0f, 0.5f);
  std::vector<float> source(static_cast<size_t>(rows * cols));
  for (float& x : source) x = normal(rng);

  const size_t side_values = static_cast<size_t>(rows * spec.groups(cols));
  const bool affine = spec.has_biases();
  std::vector<uint8_t> weight(static_cast<size_t>(rows * spec.weight_bytes(cols)));
  std::vector<uint8_t> scales(side_values * (affine ? 2 : 1)), biases(affine ? scales.size() : 0);
  quantize_f32(source, cols, spec, ScaleRule::kDefault, {weight, scales, biases}, "sample");
  std::vector<float> values(source.size());
  dequantize(weight, scales, biases, cols, spec, values);
  if (affine) {
    scales = convert_sides(scales, side);
    biases = convert_sides(biases, side);
  }
  Sample sample = stored_sample(spec, rows, cols, side, weight, scales, biases);
  sample.values = std::move(values);
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
      value = half_value(half);
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

Rows random_inputs(int64_t tokens, int64_t cols) {
  std::mt19937 rng(11);
  std::normal_distribution<float> normal;
  Rows inputs(static_cast<size_t>(tokens));
  for (auto& input : inputs) {
    input.assign(static_cast<size_t>(padded(cols)), 0.0f);
    for (int64_t i = 0; i < cols; ++i) input[i] = normal(rng);
  }
  return inputs;
}

std::vector<QuantSpec> quantised_formats() {
  std::vector<QuantSpec> formats;
  for (const auto mode : {QuantMode::kMxfp8, QuantMode::kMxfp4, QuantMode::kNvfp4}) {
    formats.push_back(default_spec(mode));
  }
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int group : {32, 64, 128}) formats.push_back({QuantMode::kAffine, bits, group});
  }
  return formats;
}

std::string name_of(const QuantSpec& spec) {
  return fmt::format("{} {}/{}", to_string(spec.mode), spec.bits, spec.group_size);
}

float read_e4m3(int code) {
  if ((code & 0x7f) == 0x7f) return code == 0x7f ? 480.0f : -480.0f;
  return decode_e4m3(static_cast<uint8_t>(code));
}

IntegerInputs::IntegerInputs(const Kernels& k, const Rows& inputs, int64_t cols) {
  for (const auto& input : inputs) {
    const std::vector<uint8_t> unset(static_cast<size_t>(integer_row_bytes(cols)), 0xcd);
    memory.push_back(std::make_unique<GuardedBuffer>(unset));
    rows.push_back(integer_row_at(memory.back()->data(), cols));
    k.quantise_row(input.data(), cols, rows.back());
  }
}

Rows multiply_integer(const Kernels& k, const MatrixView& m, std::span<const IntegerRow> x,
                      int64_t begin, int64_t end) {
  constexpr int64_t kPast = 16;
  Rows outputs(x.size(), std::vector<float>(static_cast<size_t>(m.rows + kPast), NAN));
  std::vector<float*> y;
  for (auto& output : outputs) y.push_back(output.data());
  const auto tokens = std::ssize(x);
  const std::vector<uint8_t> unset(static_cast<size_t>(integer_scratch_bytes(m, tokens)), 0xcd);
  GuardedBuffer scratch(unset);
  k.matmul_integer(m, begin, end, x.data(), tokens, y.data(), scratch.data());
  for (auto& output : outputs) {
    for (int64_t i = 0; i < kPast; ++i) EXPECT_TRUE(std::isnan(output[m.rows + i])) << k.name;
    output.resize(static_cast<size_t>(m.rows));
  }
  return outputs;
}

}  // namespace octavo
