#include "checkpoint/write_safetensors.h"

#include <map>
#include <string>

#include "base/fail.h"
#include "base/output_folder.h"
#include "checkpoint/shard_plan.h"

namespace octavo {
void write_safetensors_file(
    const std::filesystem::path& path,
    const std::vector<std::pair<TensorPlan, std::span<const std::byte>>>& tensors) {
  std::vector<TensorPlan> plan;
  std::map<std::string, std::span<const std::byte>> data;
  for (const auto& [tensor, bytes] : tensors) {
    if (bytes.size() != tensor.bytes()) {
      fail(ErrorCode::kBadRequest, "tensor '{}': {} bytes given, its shape takes {}", tensor.name,
           bytes.size(), tensor.bytes());
    }
    plan.push_back(tensor);
    data[tensor.name] = bytes;
  }
  const PlannedShard shard = plan_shards(std::move(plan), UINT64_MAX).front();

  write_file_atomically(path, [&](OutputFile& file) {
    file.reserve(shard.file_size);
    file.write_at(0, std::as_bytes(std::span(shard.header)));
    for (size_t i = 0; i < shard.tensors.size(); ++i) {
      file.write_at(shard.offsets[i], data[shard.tensors[i].name]);
    }
  });
}

}  // namespace octavo
