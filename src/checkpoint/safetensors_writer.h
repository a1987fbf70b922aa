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
/// into an existing folder. Tensors are ordered by name within a shard, those whose size is not a
/// multiple of 64 bytes last; headers are padded so that data starts on a 16 KiB boundary. Greedy
/// shards of at most `shard_limit` bytes; a larger tensor gets its own.
class SafetensorsWriter {
 public:
  static constexpr uint64_t kShardLimit = uint64_t{5} << 30;

  SafetensorsWriter(std::filesystem::path folder, std::vector<TensorPlan> plan,
                    uint64_t shard_limit = kShardLimit);
  ~SafetensorsWriter();

  /// The order in which write() wants the tensors.
  const std::vector<TensorPlan>& order() const;

  /// Writes bytes [offset, offset + data.size()) of a tensor; any order of calls.
  /// Thread-compatible.
  void write(const std::string& name, uint64_t offset, std::span<const std::byte> data);

  /// Checks that every byte was written, syncs, writes the index and verifies it against the
  /// shards.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace octavo
