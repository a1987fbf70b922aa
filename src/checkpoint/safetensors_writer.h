// checkpoint: streams tensors into sharded .safetensors files whose layout is planned beforehand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/tensor_view.h"

namespace octavo {

struct TensorPlan {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
  uint64_t bytes() const;
};

/// Writes model.safetensors or model-0000i-of-0000N.safetensors plus model.safetensors.index.json
/// into an existing folder (see OutputFolder for one that appears all at once). Shards are filled
/// greedily in the order of names up to `shard_limit` bytes; a larger tensor gets its own. Within a
/// shard those whose size is not a multiple of 64 bytes come last, and headers are padded so that
/// data starts on a 16 KiB boundary: every other tensor is 64-byte aligned without a hole.
class SafetensorsWriter {
 public:
  static constexpr uint64_t kShardLimit = uint64_t{5} << 30;

  /// Creates the files at their full size. Throws kBadRequest for an empty plan or two tensors of
  /// one name, kIo where the system refuses.
  SafetensorsWriter(std::filesystem::path folder, std::vector<TensorPlan> plan,
                    uint64_t shard_limit = kShardLimit);
  ~SafetensorsWriter();

  /// The tensors in the order of the files: writing in this order streams.
  const std::vector<TensorPlan>& order() const;

  /// Writes bytes [offset, offset + data.size()) of a tensor; any order of calls, also from several
  /// threads at once. Throws kInternal for bytes outside the tensor or written before, kIo for a
  /// full disk.
  void write(const std::string& name, uint64_t offset, std::span<const std::byte> data);

  /// Checks that every byte was written, syncs, writes the index and verifies it against the
  /// shards.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace octavo
