// checkpoint: a GGUF file (v2/v3), mapped and validated: what an imatrix needs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/mapped_file.h"

namespace octavo {

/// Unsigned integers of all widths are uint64_t, signed ones int64_t, floats double; arrays of any
/// number or bool type hold doubles.
using GgufValue = std::variant<uint64_t, int64_t, double, bool, std::string,
                               std::vector<std::string>, std::vector<double>>;

struct GgufTensor {
  std::string name;
  std::vector<int64_t> shape;  // as stored: first dimension fastest
  uint32_t type;               // 0 = F32, 1 = F16, 30 = BF16, others quantised
  std::span<const std::byte> bytes;
};

struct GgufContents {
  std::map<std::string, GgufValue> metadata;
  std::map<std::string, GgufTensor> tensors;
};

/// Parses and validates the bytes of a whole file; `name` stands in errors. Throws kBadFile naming
/// file and key or tensor: counts, lengths, types, alignment, sizes, offsets that are not those of
/// tensors laid end to end, duplicate names, trailing bytes. The tensors point into `bytes`.
GgufContents parse_gguf(std::span<const std::byte> bytes, std::string_view name);

class GgufFile {
 public:
  static GgufFile open(const std::filesystem::path& path);
  const std::map<std::string, GgufValue>& metadata() const { return contents_.metadata; }
  const std::map<std::string, GgufTensor>& tensors() const { return contents_.tensors; }

 private:
  explicit GgufFile(MappedFile file) : file_(std::move(file)) {}
  MappedFile file_;
  GgufContents contents_;
};

}  // namespace octavo
