#include "convert/deep_scan.h"

#include <algorithm>
#include <cstring>

namespace octavo::convert {
namespace {

constexpr uint8_t kMagnitude = 0x7f, kE4m3NaN = 0x7f, kE4m3Largest = 0x7e, kE8m0NaN = 0xff;

bool is_e4m3_nan(std::byte code) {
  return (std::to_integer<uint8_t>(code) & kMagnitude) == kE4m3NaN;
}

void scan_mxfp8(std::span<const std::byte> codes, int group_size, DeepScan& scan) {
  const auto group = static_cast<size_t>(group_size);
  for (size_t at = 0; at + group <= codes.size(); at += group) {
    uint8_t largest = 0;
    for (std::byte code : codes.subspan(at, group)) {
      const auto magnitude = static_cast<uint8_t>(std::to_integer<uint8_t>(code) & kMagnitude);
      scan.invalid_codes += magnitude == kE4m3NaN;
      largest = std::max(largest, magnitude);
    }
    ++scan.mxfp8_groups;
    scan.saturated_groups += largest == kE4m3Largest;
  }
}

/// Inf and NaN: numbers whose exponent bits are all ones.
uint64_t count_non_finite(const TensorView& tensor) {
  const size_t size = dtype_size(tensor.dtype);
  const uint32_t exponent = tensor.dtype == Dtype::kBF16  ? 0x7f80u
                            : tensor.dtype == Dtype::kF16 ? 0x7c00u
                                                          : 0x7f800000u;
  uint64_t count = 0;
  for (size_t at = 0; at < tensor.bytes.size(); at += size) {
    uint32_t bits = 0;
    std::memcpy(&bits, tensor.bytes.data() + at, size);
    count += (bits & exponent) == exponent;
  }
  return count;
}

}  // namespace

double DeepScan::saturated_share() const {
  return mxfp8_groups ? static_cast<double>(saturated_groups) / static_cast<double>(mxfp8_groups)
                      : 0;
}

DeepScan scan_module(const Checkpoint& checkpoint, const std::string& module,
                     const QuantSpec& spec) {
  DeepScan scan;
  const TensorView& scales = checkpoint.get(module + ".scales");
  if (spec.mode == QuantMode::kAffine) {
    scan.invalid_scales =
        count_non_finite(scales) + count_non_finite(checkpoint.get(module + ".biases"));
    return scan;
  }
  const auto invalid = [&](std::byte code) {
    return spec.mode == QuantMode::kNvfp4 ? is_e4m3_nan(code)
                                          : std::to_integer<uint8_t>(code) == kE8m0NaN;
  };
  scan.invalid_scales =
      static_cast<uint64_t>(std::count_if(scales.bytes.begin(), scales.bytes.end(), invalid));
  if (spec.mode == QuantMode::kMxfp8) {
    const TensorView& weight = checkpoint.get(module + ".weight");
    scan_mxfp8(weight.bytes, spec.group_size, scan);
    checkpoint.release(weight);
  }
  checkpoint.release(scales);
  return scan;
}

}  // namespace octavo::convert
