#include "numerics/quant_spec.h"

#include <array>
#include <utility>

#include "base/fail.h"

namespace octavo {
namespace {

constexpr std::array<std::pair<QuantMode, std::string_view>, 4> kModeNames{{
    {QuantMode::kAffine, "affine"},
    {QuantMode::kMxfp4, "mxfp4"},
    {QuantMode::kMxfp8, "mxfp8"},
    {QuantMode::kNvfp4, "nvfp4"},
}};

bool is_affine_bits(int bits) {
  return bits >= 2 && bits <= 8 && bits != 7;
}

bool is_affine_group(int size) {
  return size == 32 || size == 64 || size == 128;
}

}  // namespace

std::string_view to_string(QuantMode mode) {
  for (const auto& [value, name] : kModeNames) {
    if (value == mode) return name;
  }
  fail(ErrorCode::kInternal, "unknown quantization mode {}", static_cast<int>(mode));
}

std::optional<QuantMode> parse_quant_mode(std::string_view text) {
  for (const auto& [value, name] : kModeNames) {
    if (name == text) return value;
  }
  return std::nullopt;
}

QuantSpec default_spec(QuantMode mode) {
  switch (mode) {
    case QuantMode::kAffine:
      return {mode, 4, 64};
    case QuantMode::kMxfp4:
      return {mode, 4, 32};
    case QuantMode::kMxfp8:
      return {mode, 8, 32};
    case QuantMode::kNvfp4:
      return {mode, 4, 16};
  }
  fail(ErrorCode::kInternal, "unknown quantization mode {}", static_cast<int>(mode));
}

void validate(const QuantSpec& spec) {
  if (spec.mode == QuantMode::kAffine) {
    if (!is_affine_bits(spec.bits)) {
      fail(ErrorCode::kBadRequest, "affine: {} bits, expected 2, 3, 4, 5, 6 or 8", spec.bits);
    }
    if (!is_affine_group(spec.group_size)) {
      fail(ErrorCode::kBadRequest, "affine: group size {}, expected 32, 64 or 128",
           spec.group_size);
    }
    return;
  }
  const QuantSpec only = default_spec(spec.mode);
  if (spec.bits != only.bits) {
    fail(ErrorCode::kBadRequest, "{}: {} bits, expected {}", to_string(spec.mode), spec.bits,
         only.bits);
  }
  if (spec.group_size != only.group_size) {
    fail(ErrorCode::kBadRequest, "{}: group size {}, expected {}", to_string(spec.mode),
         spec.group_size, only.group_size);
  }
}

}  // namespace octavo
