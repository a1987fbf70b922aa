// What the numerics tests share: buffers of the right sizes, random weights, all formats.
#pragma once

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "numerics/bfloat16.h"
#include "numerics/quantize.h"

namespace octavo::test {

struct Quantized {
  std::vector<uint8_t> weight, scales, biases;
  QuantError error;
  bool operator==(const Quantized& other) const {
    return weight == other.weight && scales == other.scales && biases == other.biases;
  }
};

inline Quantized buffers_for(int64_t rows, int64_t in, const QuantSpec& spec) {
  const auto sides = static_cast<size_t>(rows * spec.groups(in) * (spec.has_biases() ? 2 : 1));
  Quantized out;
  out.weight.resize(static_cast<size_t>(rows * spec.weight_bytes(in)));
  out.scales.resize(sides);
  if (spec.has_biases()) out.biases.resize(sides);
  return out;
}

inline Quantized quantize(const std::vector<uint16_t>& weights, int64_t in, const QuantSpec& spec,
                          ScaleRule rule = ScaleRule::kDefault) {
  Quantized out = buffers_for(static_cast<int64_t>(weights.size()) / in, in, spec);
  out.error = quantize_bf16(weights, in, spec, rule, {out.weight, out.scales, out.biases}, "w");
  return out;
}

inline Quantized quantize(const std::vector<float>& weights, int64_t in, const QuantSpec& spec,
                          ScaleRule rule = ScaleRule::kDefault) {
  Quantized out = buffers_for(static_cast<int64_t>(weights.size()) / in, in, spec);
  out.error = quantize_f32(weights, in, spec, rule, {out.weight, out.scales, out.biases}, "w");
  return out;
}

inline std::vector<float> dequantized(const Quantized& q, int64_t rows, int64_t in,
                                      const QuantSpec& spec) {
  std::vector<float> out(static_cast<size_t>(rows * in));
  dequantize(q.weight, q.scales, q.biases, in, spec, out);
  return out;
}

inline std::vector<uint16_t> gaussian_bf16(size_t count, float sigma, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, sigma);
  std::vector<uint16_t> weights(count);
  for (auto& w : weights) w = float_to_bf16(normal(engine));
  return weights;
}

inline std::vector<float> widen(const std::vector<uint16_t>& weights) {
  std::vector<float> out;
  for (uint16_t w : weights) out.push_back(bf16_to_float(w));
  return out;
}

inline std::vector<QuantSpec> all_specs() {
  std::vector<QuantSpec> specs;
  for (int bits : {2, 3, 4, 5, 6, 8}) {
    for (int group : {32, 64, 128}) specs.push_back({QuantMode::kAffine, bits, group});
  }
  for (QuantMode mode : {QuantMode::kMxfp4, QuantMode::kMxfp8, QuantMode::kNvfp4}) {
    specs.push_back(default_spec(mode));
  }
  return specs;
}

inline std::string name_of(const QuantSpec& spec) {
  return std::string(to_string(spec.mode)) + "_" + std::to_string(spec.bits) + "_" +
         std::to_string(spec.group_size);
}

}  // namespace octavo::test
