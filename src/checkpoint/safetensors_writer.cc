#include "checkpoint/safetensors_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/checked.h"
#include "base/fail.h"
#include "base/output_file.h"
#include "checkpoint/json_file.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/shard_index.h"
#include "checkpoint/shard_plan.h"

namespace octavo {
namespace {

// The byte ranges of a tensor that were written: neighbours are merged, so a stream keeps one
// range.
class Coverage {
 public:
  /// False if any of [begin, end) was written before.
  bool add(uint64_t begin, uint64_t end) {
    auto next = ranges_.lower_bound(begin);
    if (next != ranges_.end() && next->first < end) return false;
    if (next != ranges_.begin()) {
      const auto before = std::prev(next);
      if (before->second > begin) return false;
      if (before->second == begin) {
        begin = before->first;
        ranges_.erase(before);
      }
    }
    if (next != ranges_.end() && next->first == end) {
      end = next->second;
      ranges_.erase(next);
    }
    ranges_.emplace(begin, end);
    return true;
  }

  bool covers(uint64_t size) const {
    return size == 0 ||
           (ranges_.size() == 1 && ranges_.begin()->first == 0 && ranges_.begin()->second == size);
  }

 private:
  std::map<uint64_t, uint64_t> ranges_;  // begin -> end
};

struct Target {
  OutputFile* file;
  uint64_t offset;  // of the tensor within the file
  uint64_t size;
  Coverage written;
};

}  // namespace

uint64_t TensorPlan::bytes() const {
  return checked_mul(checked_product(shape, name), dtype_size(dtype), name);
}

struct SafetensorsWriter::Impl {
  std::filesystem::path folder;
  std::vector<PlannedShard> shards;
  std::vector<TensorPlan> order;
  std::vector<std::unique_ptr<OutputFile>> files;
  std::map<std::string, Target> targets;
  std::mutex mutex;  // guards Target::written

  void create_files() {
    for (const PlannedShard& shard : shards) {
      auto file = std::make_unique<OutputFile>(folder / shard.file);
      file->reserve(shard.file_size);
      file->write_at(0, std::as_bytes(std::span(shard.header)));
      for (size_t i = 0; i < shard.tensors.size(); ++i) {
        const TensorPlan& tensor = shard.tensors[i];
        targets.emplace(tensor.name,
                        Target{file.get(), shard.offsets[i], tensor.bytes(), Coverage{}});
        order.push_back(tensor);
      }
      files.push_back(std::move(file));
    }
  }

  Target& claim(const std::string& name, uint64_t offset, uint64_t size) {
    const auto found = targets.find(name);
    if (found == targets.end()) {
      fail(ErrorCode::kInternal, "tensor '{}' is not planned", printable(name));
    }
    Target& target = found->second;
    if (offset > target.size || size > target.size - offset) {
      fail(ErrorCode::kInternal, "tensor '{}': bytes [{}, +{}) of {}", printable(name), offset,
           size, target.size);
    }
    const std::lock_guard lock(mutex);
    if (size != 0 && !target.written.add(offset, offset + size)) {
      fail(ErrorCode::kInternal, "tensor '{}': bytes [{}, +{}) written twice", printable(name),
           offset, size);
    }
    return target;
  }

  void check_complete() const {
    for (const auto& [name, target] : targets) {
      if (!target.written.covers(target.size)) {
        fail(ErrorCode::kInternal, "tensor '{}' was not written in full", printable(name));
      }
    }
  }

  void write_index() const {
    nlohmann::json weight_map = nlohmann::json::object();
    uint64_t total = 0;
    for (const PlannedShard& shard : shards) {
      for (const TensorPlan& tensor : shard.tensors) {
        weight_map[tensor.name] = shard.file;
        total += tensor.bytes();
      }
    }
    const nlohmann::json index = {{"metadata", {{"total_size", total}}},
                                  {"weight_map", std::move(weight_map)}};
    const std::string text = index.dump(2) + "\n";
    OutputFile file(folder / kShardIndexName);
    file.write_at(0, std::as_bytes(std::span(text)));
    file.sync();
  }

  // What a reader will see, against the plan.
  void verify() const {
    const auto path = folder / kShardIndexName;
    const ShardIndex index = ShardIndex::parse(read_json_file(path), path.string());
    size_t tensors = 0;
    for (const PlannedShard& shard : shards) {
      const SafetensorsFile file = SafetensorsFile::open(folder / shard.file);
      for (size_t i = 0; i < shard.tensors.size(); ++i, ++tensors) {
        const TensorPlan& plan = shard.tensors[i];
        const bool same = i < file.tensors().size() && file.tensors()[i].name == plan.name &&
                          file.tensors()[i].dtype == plan.dtype &&
                          file.tensors()[i].shape == plan.shape;
        const auto entry = index.weight_map.find(plan.name);
        if (!same || entry == index.weight_map.end() || entry->second != shard.file) {
          fail(ErrorCode::kInternal, "{}: tensor '{}' did not survive writing",
               (folder / shard.file).string(), printable(plan.name));
        }
      }
    }
    if (tensors != index.weight_map.size()) {
      fail(ErrorCode::kInternal, "{}: {} entries for {} tensors", path.string(),
           index.weight_map.size(), tensors);
    }
  }
};

SafetensorsWriter::SafetensorsWriter(std::filesystem::path folder, std::vector<TensorPlan> plan,
                                     uint64_t shard_limit)
    : impl_(std::make_unique<Impl>()) {
  impl_->folder = std::move(folder);
  impl_->shards = plan_shards(std::move(plan), shard_limit);
  impl_->create_files();
}

SafetensorsWriter::~SafetensorsWriter() = default;

const std::vector<TensorPlan>& SafetensorsWriter::order() const {
  return impl_->order;
}

void SafetensorsWriter::write(const std::string& name, uint64_t offset,
                              std::span<const std::byte> data) {
  const Target& target = impl_->claim(name, offset, data.size());
  target.file->write_at(target.offset + offset, data);
}

void SafetensorsWriter::finish() {
  impl_->check_complete();
  for (const auto& file : impl_->files) file->sync();
  impl_->write_index();
  impl_->verify();
}

}  // namespace octavo
