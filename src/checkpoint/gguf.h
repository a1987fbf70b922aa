// checkpoint: a GGUF file (v2/v3), mapped and validated: what an imatrix needs.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/mapped_file.h"

namespace octavo {

using GgufValue = std::variant<uint64_t, int64_t, double, bool, std::string,
                               std::vector<std::string>, std::vector<double>>;

struct GgufTensor {
  std::string name;
  std::vector<int64_t> shape;  // as stored: first dimension fastest
  uint32_t type;               // 0 = F32, 1 = F16, 30 = BF16, others quantised
  std::span<const std::byte> bytes;
};

class GgufFile {
 public:
  static GgufFile open(const std::filesystem::path& path);
  const std::map<std::string, GgufValue>& metadata() const { return metadata_; }
  const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }

 private:
  explicit GgufFile(MappedFile file) : file_(std::move(file)) {}
  MappedFile file_;
  std::map<std::string, GgufValue> metadata_;
  std::map<std::string, GgufTensor> tensors_;
};

}  // namespace octavo
