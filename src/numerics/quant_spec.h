// numerics: QuantSpec, the one value that says how a matrix is stored (formats as MLX defines
// them).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace octavo {

enum class QuantMode { kAffine, kMxfp4, kMxfp8, kNvfp4 };

std::string_view to_string(QuantMode mode);  // "affine", "mxfp4", ...
std::optional<QuantMode> parse_quant_mode(std::string_view text);

struct QuantSpec {
  QuantMode mode = QuantMode::kAffine;
  int bits = 8;
  int group_size = 64;

  bool operator==(const QuantSpec&) const = default;

  bool has_biases() const { return mode == QuantMode::kAffine; }
  /// Bytes of the packed codes of one row of `in` elements. `in` must be divisible by group_size.
  int64_t weight_bytes(int64_t in) const { return in / 8 * bits; }
  int64_t groups(int64_t in) const { return in / group_size; }
};

/// The mode's own bits and group size: affine 4/64, mxfp4 4/32, mxfp8 8/32, nvfp4 4/16.
QuantSpec default_spec(QuantMode mode);

/// Throws kBadRequest naming the bad value unless (mode, bits, group_size) is one of
/// affine {2,3,4,5,6,8} x {32,64,128}, mxfp4 4/32, mxfp8 8/32, nvfp4 4/16.
void validate(const QuantSpec& spec);

}  // namespace octavo
