// checkpoint: a model folder: tensor names -> views over mapped shards, and its configuration.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensor_view.h"

namespace octavo {

class Checkpoint {
 public:
  /// Opens a folder: config.json and the shards named by model.safetensors.index.json, else
  /// model.safetensors, else weights.safetensors, else model*.safetensors. Headers are validated in
  /// full; no data is read. Throws kIo or kBadFile naming file and tensor.
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
  size_t shard_count() const;

  /// Oddities that do no harm: a total_size that lies, tensors or files the index does not name.
  const std::vector<std::string>& notes() const;

  /// The bytes of every shard.
  std::vector<std::span<const std::byte>> mappings() const;

  /// Lets go of the pages of a tensor that was read (MappedFile::release).
  void release(const TensorView& tensor) const;

  /// Throws kBadFile if a shard was replaced or written since open(): for the end of long runs.
  void check_unchanged() const;

 private:
  Checkpoint();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace octavo
