// checkpoint: one .safetensors file, mapped and fully validated before any offset is used.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "checkpoint/tensor_view.h"

namespace octavo {

class SafetensorsFile {
 public:
  /// Throws kBadFile naming file and tensor for everything the format forbids: header size, JSON,
  /// dtype, shape products, offsets, holes, overlaps.
  static SafetensorsFile open(const std::filesystem::path& path);

  const std::vector<TensorView>& tensors() const { return tensors_; }  // in data order
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const MappedFile& file() const { return file_; }

 private:
  explicit SafetensorsFile(MappedFile file) : file_(std::move(file)) {}
  MappedFile file_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace octavo
