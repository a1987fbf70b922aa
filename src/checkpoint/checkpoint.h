// checkpoint: a model folder (or single .safetensors file): names -> views, and its configuration.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "checkpoint/tensor_view.h"

namespace octavo {

class SafetensorsFile;

class Checkpoint {
 public:
  /// Opens a folder: config.json and the shards named by model.safetensors.index.json, else
  /// model.safetensors, else weights.safetensors, else model*.safetensors. Headers are validated in full; no data is read.
  static Checkpoint open(const std::filesystem::path& folder);
  ~Checkpoint();
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;

  const std::filesystem::path& folder() const;
  const nlohmann::json& config() const;  // config.json, an object

  const TensorView* find(std::string_view name) const;  // nullptr if absent
  const TensorView& get(std::string_view name) const;   // throws kBadFile naming folder and tensor
  const std::map<std::string, TensorView, std::less<>>& tensors() const;  // sorted by name
  uint64_t payload_bytes() const;                                         // sum over tensors

  /// Lets go of the pages of a tensor that was read (MappedFile::release).
  void release(const TensorView& tensor) const;

 private:
  Checkpoint();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace octavo
