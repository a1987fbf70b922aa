// The bytes of quantised tensors that decode to no finite number.
#include <algorithm>
#include <cstring>

#include "base/fail.h"
#include "checkpoint/quantised_layout.h"

namespace octavo {
namespace {

// E8M0 keeps one code for NaN; 0x00 is 2^-127, a number.
bool bad_e8m0(std::byte code) {
  return code == std::byte{0xff};
}

// E4M3 (the finite-only variant) has no infinities, and NaN under either sign.
bool bad_e4m3(std::byte code) {
  return (code & std::byte{0x7f}) == std::byte{0x7f};
}

void check_codes(const Checkpoint& checkpoint, const TensorView& tensor, bool (*bad)(std::byte)) {
  const auto found = std::find_if(tensor.bytes.begin(), tensor.bytes.end(), bad);
  if (found == tensor.bytes.end()) return;
  fail(ErrorCode::kBadFile, "{}: tensor '{}' holds code {:#04x} at index {}, which is not a number",
       checkpoint.folder().string(), printable(tensor.name), static_cast<unsigned>(*found),
       found - tensor.bytes.begin());
}

// A number of `size` bytes is Inf or NaN if its exponent bits are all ones.
void check_floats(const Checkpoint& checkpoint, const TensorView& tensor) {
  const size_t size = dtype_size(tensor.dtype);
  const uint32_t exponent = tensor.dtype == Dtype::kBF16  ? 0x7f80u
                            : tensor.dtype == Dtype::kF16 ? 0x7c00u
                                                          : 0x7f800000u;
  for (size_t at = 0; at < tensor.bytes.size(); at += size) {
    uint32_t bits = 0;
    std::memcpy(&bits, tensor.bytes.data() + at, size);
    if ((bits & exponent) == exponent) {
      fail(ErrorCode::kBadFile, "{}: tensor '{}' holds Inf or NaN at index {}",
           checkpoint.folder().string(), printable(tensor.name), at / size);
    }
  }
}

}  // namespace

void check_quantised_values(const Checkpoint& checkpoint, std::string_view module,
                            const QuantSpec& spec) {
  const std::string path(module);
  const TensorView& scales = checkpoint.get(path + ".scales");
  switch (spec.mode) {
    case QuantMode::kAffine:
      check_floats(checkpoint, scales);
      check_floats(checkpoint, checkpoint.get(path + ".biases"));
      return;
    case QuantMode::kMxfp8:
      check_codes(checkpoint, checkpoint.get(path + ".weight"), bad_e4m3);
      [[fallthrough]];
    case QuantMode::kMxfp4:
      check_codes(checkpoint, scales, bad_e8m0);
      return;
    case QuantMode::kNvfp4:
      check_codes(checkpoint, scales, bad_e4m3);
      return;
  }
}

}  // namespace octavo
