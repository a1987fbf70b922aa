#include "convert/float_cast.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/fail.h"
#include "numerics/bfloat16.h"

namespace octavo::convert {
namespace {

constexpr float kLargestHalf = 65504.0f;

float half_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu, fraction = bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return sign | 0x7e00u;
  if (magnitude >= 65520.0f) return sign | 0x7c00u;  // halfway to 2^16 and above
  if (magnitude < 0x1p-14f) {
    // Subnormal: a multiple of 2^-24; nearbyint rounds half to even.
    return sign | static_cast<uint16_t>(std::nearbyint(magnitude * 0x1p24f));
  }
  const uint32_t rounded = (bits & 0x7fffffffu) + 0xfffu + ((bits >> 13) & 1u);
  return sign | static_cast<uint16_t>((rounded - (112u << 23)) >> 13);
}

template <typename Stored, typename Convert>
void read_all(std::span<const std::byte> source, std::span<float> out, Convert convert) {
  for (size_t i = 0; i < out.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, source.data() + i * sizeof stored, sizeof stored);
    out[i] = convert(stored);
  }
}

/// All exponent bits set is Inf or NaN. Chunks without a branch inside can be vectorised.
template <typename Stored>
std::optional<size_t> find_exponent(std::span<const std::byte> source, Stored exponent) {
  constexpr size_t kChunk = 256;
  const size_t count = source.size() / sizeof(Stored);
  const auto is_bad = [&](size_t i) {
    Stored stored;
    std::memcpy(&stored, source.data() + i * sizeof stored, sizeof stored);
    return (stored & exponent) == exponent;
  };
  for (size_t begin = 0; begin < count; begin += kChunk) {
    const size_t end = std::min(begin + kChunk, count);
    Stored bad = 0;
    for (size_t i = begin; i < end; ++i) bad |= static_cast<Stored>(is_bad(i));
    for (size_t i = begin; bad && i < end; ++i) {
      if (is_bad(i)) return i;
    }
  }
  return std::nullopt;
}

template <typename Stored, typename Convert>
void write_all(std::span<const float> values, std::span<std::byte> out, Convert convert) {
  for (size_t i = 0; i < values.size(); ++i) {
    const Stored stored = convert(values[i]);
    std::memcpy(out.data() + i * sizeof stored, &stored, sizeof stored);
  }
}

}  // namespace

void to_floats(std::span<const std::byte> source, Dtype dtype, std::span<float> out,
               std::string_view tensor) {
  switch (dtype) {
    case Dtype::kBF16:
      return read_all<uint16_t>(source, out, bf16_to_float);
    case Dtype::kF16:
      return read_all<uint16_t>(source, out, half_to_float);
    case Dtype::kF32:
      return read_all<float>(source, out, [](float value) { return value; });
    case Dtype::kF64:
      return read_all<double>(source, out, [](double value) { return static_cast<float>(value); });
    default:
      fail(ErrorCode::kUnsupported, "tensor {}: dtype {}, expected BF16, F16 or F32", tensor,
           to_string(dtype));
  }
}

void from_floats(std::span<const float> values, Dtype dtype, std::span<std::byte> out,
                 std::string_view tensor) {
  switch (dtype) {
    case Dtype::kBF16:
      return write_all<uint16_t>(values, out, float_to_bf16);
    case Dtype::kF16:
      return write_all<uint16_t>(values, out, [&](float value) {
        if (std::isfinite(value) && std::fabs(value) >= kLargestHalf + 16) {
          fail(ErrorCode::kBadFile, "tensor {}: {} does not fit float16; use --dtype bfloat16",
               tensor, value);
        }
        return float_to_half(value);
      });
    case Dtype::kF32:
      return write_all<float>(values, out, [](float value) { return value; });
    default:
      fail(ErrorCode::kInternal, "tensor {}: cannot write dtype {}", tensor, to_string(dtype));
  }
}

std::optional<size_t> first_non_finite(std::span<const std::byte> source, Dtype dtype) {
  switch (dtype) {
    case Dtype::kBF16:
      return find_exponent<uint16_t>(source, 0x7f80);
    case Dtype::kF16:
      return find_exponent<uint16_t>(source, 0x7c00);
    case Dtype::kF32:
      return find_exponent<uint32_t>(source, 0x7f800000);
    case Dtype::kF64:
      return find_exponent<uint64_t>(source, 0x7ff0000000000000);
    default:
      return std::nullopt;
  }
}

}  // namespace octavo::convert
