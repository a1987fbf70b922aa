#include "checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <set>
#include <system_error>
#include <utility>

#include "base/fail.h"
#include "checkpoint/json_file.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/shard_index.h"

namespace octavo {

struct Checkpoint::Impl {
  std::filesystem::path folder;
  nlohmann::json config;
  std::vector<SafetensorsFile> shards;
  std::map<std::string, TensorView, std::less<>> tensors;
  std::map<std::string, std::string, std::less<>> shard_of;  // tensor -> file name
  uint64_t payload = 0;
  std::vector<std::string> notes;

  void add_shard(const std::string& file) {
    SafetensorsFile shard = SafetensorsFile::open(folder / file);
    for (const TensorView& tensor : shard.tensors()) {
      const auto [found, added] = shard_of.emplace(tensor.name, file);
      if (!added) {
        fail(ErrorCode::kBadFile, "{}: tensor '{}' is in both '{}' and '{}'", folder.string(),
             printable(tensor.name), printable(found->second), printable(file));
      }
      payload += tensor.bytes.size();
      tensors.emplace(tensor.name, tensor);
    }
    shards.push_back(std::move(shard));
  }

  void add_indexed_shards(const ShardIndex& index) {
    std::set<std::string> files;
    for (const auto& [tensor, file] : index.weight_map) files.insert(file);
    if (files.empty()) {
      fail(ErrorCode::kBadFile, "{}: weight_map is empty", (folder / kShardIndexName).string());
    }
    for (const std::string& file : files) add_shard(file);
    check_index(index);
    if (!files.contains("model.safetensors") &&
        std::filesystem::exists(folder / "model.safetensors")) {
      notes.push_back(
          "model.safetensors is not named by the index and was left out; some readers prefer it");
    }
  }

  void check_index(const ShardIndex& index) {
    for (const auto& [tensor, file] : index.weight_map) {
      const auto found = shard_of.find(tensor);
      if (found == shard_of.end()) {
        fail(ErrorCode::kBadFile, "{}: tensor '{}' is named by the index but is not in '{}'",
             folder.string(), printable(tensor), printable(file));
      }
      if (found->second != file) {
        fail(ErrorCode::kBadFile, "{}: tensor '{}' is in '{}', the index says '{}'",
             folder.string(), printable(tensor), printable(found->second), printable(file));
      }
    }
    if (const size_t extra = tensors.size() - index.weight_map.size(); extra != 0) {
      notes.push_back(fmt::format("tensors in the shards that the index does not name: {}", extra));
    }
    if (index.total_size && *index.total_size != payload) {
      notes.push_back(fmt::format("the index claims a total_size of {} bytes, the tensors have {}",
                                  *index.total_size, payload));
    }
  }
};

Checkpoint::Checkpoint() : impl_(std::make_unique<Impl>()) {}
Checkpoint::~Checkpoint() = default;
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;

Checkpoint Checkpoint::open(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    fail(ErrorCode::kIo, "{}: not a folder; expected a folder with config.json and safetensors",
         folder.string());
  }
  Checkpoint result;
  Impl& impl = *result.impl_;
  impl.folder = folder;
  impl.config = read_json_file(folder / "config.json");
  if (!impl.config.is_object()) {
    fail(ErrorCode::kBadFile, "{}: not a JSON object", (folder / "config.json").string());
  }
  const auto index_path = folder / kShardIndexName;
  // symlink_status: a dangling link must be an error, not a reason to try other names.
  if (std::filesystem::exists(std::filesystem::symlink_status(index_path, error))) {
    impl.add_indexed_shards(ShardIndex::parse(read_json_file(index_path), index_path.string()));
  } else {
    for (const std::string& file : find_weight_files(folder)) impl.add_shard(file);
  }
  return result;
}

const std::filesystem::path& Checkpoint::folder() const {
  return impl_->folder;
}
const nlohmann::json& Checkpoint::config() const {
  return impl_->config;
}

const TensorView* Checkpoint::find(std::string_view name) const {
  const auto found = impl_->tensors.find(name);
  return found == impl_->tensors.end() ? nullptr : &found->second;
}

const TensorView& Checkpoint::get(std::string_view name) const {
  const TensorView* tensor = find(name);
  if (tensor == nullptr) {
    fail(ErrorCode::kBadFile, "{}: no tensor '{}'", impl_->folder.string(), printable(name));
  }
  return *tensor;
}

const std::map<std::string, TensorView, std::less<>>& Checkpoint::tensors() const {
  return impl_->tensors;
}

uint64_t Checkpoint::payload_bytes() const {
  return impl_->payload;
}
size_t Checkpoint::shard_count() const {
  return impl_->shards.size();
}
const std::vector<std::string>& Checkpoint::notes() const {
  return impl_->notes;
}

std::vector<std::span<const std::byte>> Checkpoint::mappings() const {
  std::vector<std::span<const std::byte>> result;
  for (const SafetensorsFile& shard : impl_->shards) result.push_back(shard.file().bytes());
  return result;
}

void Checkpoint::release(const TensorView& tensor) const {
  for (const SafetensorsFile& shard : impl_->shards) {
    const auto bytes = shard.file().bytes();
    if (tensor.bytes.data() < bytes.data() || tensor.bytes.data() >= bytes.data() + bytes.size()) {
      continue;
    }
    shard.file().release(static_cast<size_t>(tensor.bytes.data() - bytes.data()),
                         tensor.bytes.size());
    return;
  }
}

void Checkpoint::check_unchanged() const {
  for (const SafetensorsFile& shard : impl_->shards) shard.check_unchanged();
}

}  // namespace octavo
