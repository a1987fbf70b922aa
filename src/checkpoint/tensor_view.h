// checkpoint: a named array of bytes inside a mapped file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

enum class Dtype {
  kBool,
  kU8,
  kI8,
  kF8E4M3,
  kF8E8M0,
  kU16,
  kI16,
  kF16,
  kBF16,
  kU32,
  kI32,
  kF32,
  kU64,
  kI64,
  kF64
};

std::string_view to_string(Dtype dtype);  // the safetensors name: "BF16", "U8", "F8_E4M3", ...
size_t dtype_size(Dtype dtype);           // bytes per element
std::optional<Dtype> parse_dtype(std::string_view name);

std::string to_string(const std::vector<int64_t>& shape);  // "[128, 704, 352]"

/// Does not own its bytes: the Checkpoint (or SafetensorsFile) it came from must outlive it. Data
/// may start at any byte address, so read it with memcpy or unaligned loads.
struct TensorView {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;

  int64_t elements() const;
};

}  // namespace octavo
