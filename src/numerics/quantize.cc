#include "numerics/quantize.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/fail.h"
#include "numerics/affine.h"
#include "numerics/bfloat16.h"
#include "numerics/e2m1.h"
#include "numerics/e4m3.h"
#include "numerics/e8m0.h"
#include "numerics/group_codes.h"
#include "numerics/microscaling.h"
#include "numerics/packing.h"

namespace octavo {
namespace {

constexpr int kChunk = 16;  // divides every group size; the fixed count lets inner loops vectorise

// Below this every difference, scale and decoded value is finite, however it is rounded.
constexpr float kTooLarge = 0x1p126f;

void load(const uint16_t* source, int count, float* weights) {
  for (int i = 0; i < count; i += kChunk) {
    for (int j = 0; j < kChunk; ++j) weights[i + j] = bf16_to_float(source[i + j]);
  }
}

void load(const float* source, int count, float* weights) {
  std::copy_n(source, count, weights);
}

// Largest magnitude; with an Inf or NaN among the weights the result is not finite either, because
// magnitudes order like their bits.
float max_magnitude(const float* weights, int count) {
  int32_t lanes[kChunk] = {};
  for (int i = 0; i < count; i += kChunk) {
    for (int j = 0; j < kChunk; ++j) {
      const int32_t bits = std::bit_cast<int32_t>(weights[i + j]) & 0x7fffffff;
      lanes[j] = bits > lanes[j] ? bits : lanes[j];
    }
  }
  return std::bit_cast<float>(*std::max_element(lanes, lanes + kChunk));
}

bool is_finite(float value) {
  return (std::bit_cast<uint32_t>(value) & 0x7fffffffu) < 0x7f800000u;
}

[[noreturn]] void fail_non_finite(const float* weights, int count, size_t first, int64_t in,
                                  std::string_view tensor) {
  const float* bad = std::find_if_not(weights, weights + count, is_finite);
  const auto index = static_cast<int64_t>(first) + (bad - weights);
  fail(ErrorCode::kBadFile, "{}: weight [{}, {}] is {}, expected a finite number",
       printable(tensor), index / in, index % in, *bad);
}

int side_bytes(const QuantSpec& spec) {
  return spec.has_biases() ? 2 : 1;
}

void store_side(uint16_t value, int bytes, uint8_t* to) {
  to[0] = static_cast<uint8_t>(value);
  if (bytes == 2) to[1] = static_cast<uint8_t>(value >> 8);
}

uint16_t load_side(const uint8_t* from, int bytes) {
  return static_cast<uint16_t>(bytes == 2 ? from[0] | from[1] << 8 : from[0]);
}

void decode_table(const uint8_t* codes, int count, const float* table, float scale, float* out) {
  for (int i = 0; i < count; ++i) out[i] = table[codes[i]] * scale;
}

// scale * code is exact (8 + 8 bits), so it makes no difference whether a reader fuses the sum.
void decode_affine(const uint8_t* codes, int count, float scale, float bias, float* out) {
  for (int i = 0; i < count; i += kChunk) {
    for (int j = 0; j < kChunk; ++j) {
      out[i + j] = scale * static_cast<float>(codes[i + j]) + bias;
    }
  }
}

void decode_group(const GroupCodes& group, const QuantSpec& spec, float* out) {
  const auto byte = static_cast<uint8_t>(group.scale);
  switch (spec.mode) {
    case QuantMode::kAffine:
      return decode_affine(group.codes, spec.group_size, bf16_to_float(group.scale),
                           bf16_to_float(group.bias), out);
    case QuantMode::kMxfp8:
      return decode_table(group.codes, spec.group_size, kE4m3Values.data(), decode_e8m0(byte), out);
    case QuantMode::kMxfp4:
      return decode_table(group.codes, spec.group_size, kE2m1Values.data(), decode_e8m0(byte), out);
    case QuantMode::kNvfp4:
      return decode_table(group.codes, spec.group_size, kE2m1Values.data(), decode_e4m3(byte), out);
  }
}

void add_error(const float* weights, const float* decoded, int count, QuantError& total) {
  constexpr int kLanes = 4;
  double error[kLanes] = {}, weight[kLanes] = {};
  for (int i = 0; i < count; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      const double w = weights[i + j];
      const double e = w - decoded[i + j];
      error[j] += e * e;
      weight[j] += w * w;
    }
  }
  total.squared_error += error[0] + error[1] + error[2] + error[3];
  total.squared_weight += weight[0] + weight[1] + weight[2] + weight[3];
}

void encode_group(const float* weights, float amax, const QuantSpec& spec, ScaleRule rule,
                  GroupCodes& out) {
  switch (spec.mode) {
    case QuantMode::kAffine:
      return encode_affine(weights, spec.group_size, spec.bits, rule, out);
    case QuantMode::kMxfp8:
      return encode_mxfp8(weights, amax, rule, out);
    case QuantMode::kMxfp4:
      return encode_mxfp4(weights, amax, rule, out);
    case QuantMode::kNvfp4:
      return encode_nvfp4(weights, amax, rule, out);
  }
}

void check_size(size_t actual, size_t expected, std::string_view what, std::string_view tensor) {
  if (actual != expected) {
    fail(ErrorCode::kInternal, "{}: {} of {} bytes, expected {}", printable(tensor), what, actual,
         expected);
  }
}

/// Number of groups of `elements` weights, or an error if they do not divide into rows and groups.
size_t count_groups(size_t elements, int64_t in, const QuantSpec& spec, std::string_view tensor) {
  validate(spec);
  if (in <= 0 || in % spec.group_size != 0) {
    fail(ErrorCode::kBadRequest, "{}: rows of {} elements, expected a multiple of group size {}",
         printable(tensor), in, spec.group_size);
  }
  if (elements % static_cast<size_t>(in) != 0) {
    fail(ErrorCode::kInternal, "{}: {} elements are not whole rows of {}", printable(tensor),
         elements, in);
  }
  return elements / static_cast<size_t>(spec.group_size);
}

template <typename Weight>
QuantError quantize(std::span<const Weight> source, int64_t in, const QuantSpec& spec,
                    ScaleRule rule, const QuantizedRows& out, std::string_view tensor) {
  const size_t groups = count_groups(source.size(), in, spec, tensor);
  const int size = spec.group_size;
  const auto packed_bytes = static_cast<size_t>(size / 8 * spec.bits);
  const int side = side_bytes(spec);
  check_size(out.weight.size(), groups * packed_bytes, "codes", tensor);
  check_size(out.scales.size(), groups * side, "scales", tensor);
  check_size(out.biases.size(), spec.has_biases() ? groups * side : 0, "biases", tensor);

  QuantError total;
  total.elements = source.size();
  total.groups = groups;
  alignas(64) float weights[kMaxGroupSize];
  alignas(64) float decoded[kMaxGroupSize];
  GroupCodes group;
  for (size_t g = 0; g < groups; ++g) {
    const size_t first = g * static_cast<size_t>(size);
    load(source.data() + first, size, weights);
    const float amax = max_magnitude(weights, size);
    if (!is_finite(amax)) fail_non_finite(weights, size, first, in, tensor);
    if (amax >= kTooLarge) {
      fail(ErrorCode::kBadFile, "{}: group {} of row {} reaches {}, too large for {}",
           printable(tensor), first % in / size, first / in, amax, to_string(spec.mode));
    }
    encode_group(weights, amax, spec, rule, group);
    pack_codes(group.codes, size, spec.bits, out.weight.data() + g * packed_bytes);
    store_side(group.scale, side, out.scales.data() + g * side);
    if (spec.has_biases()) store_side(group.bias, side, out.biases.data() + g * side);
    decode_group(group, spec, decoded);
    add_error(weights, decoded, size, total);
    total.clipped_groups += group.clipped;
  }
  return total;
}

}  // namespace

QuantError& QuantError::operator+=(const QuantError& other) {
  squared_error += other.squared_error;
  squared_weight += other.squared_weight;
  elements += other.elements;
  groups += other.groups;
  clipped_groups += other.clipped_groups;
  return *this;
}

QuantError quantize_bf16(std::span<const uint16_t> weights, int64_t in, const QuantSpec& spec,
                         ScaleRule rule, const QuantizedRows& out, std::string_view tensor) {
  return quantize(weights, in, spec, rule, out, tensor);
}

QuantError quantize_f32(std::span<const float> weights, int64_t in, const QuantSpec& spec,
                        ScaleRule rule, const QuantizedRows& out, std::string_view tensor) {
  return quantize(weights, in, spec, rule, out, tensor);
}

void dequantize(std::span<const uint8_t> weight, std::span<const uint8_t> scales,
                std::span<const uint8_t> biases, int64_t in, const QuantSpec& spec,
                std::span<float> out) {
  constexpr std::string_view kName = "dequantize";
  const size_t groups = count_groups(out.size(), in, spec, kName);
  const int size = spec.group_size;
  const auto packed_bytes = static_cast<size_t>(size / 8 * spec.bits);
  const int side = side_bytes(spec);
  check_size(weight.size(), groups * packed_bytes, "codes", kName);
  check_size(scales.size(), groups * side, "scales", kName);
  check_size(biases.size(), spec.has_biases() ? groups * side : 0, "biases", kName);

  GroupCodes group;
  for (size_t g = 0; g < groups; ++g) {
    unpack_codes(weight.data() + g * packed_bytes, size, spec.bits, group.codes);
    group.scale = load_side(scales.data() + g * side, side);
    if (spec.has_biases()) group.bias = load_side(biases.data() + g * side, side);
    decode_group(group, spec, out.data() + g * static_cast<size_t>(size));
  }
}

}  // namespace octavo
