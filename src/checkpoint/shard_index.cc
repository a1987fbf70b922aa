#include "checkpoint/shard_index.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>

#include "base/fail.h"

namespace octavo {
namespace {

constexpr std::string_view kSuffix = ".safetensors";

// A shard lies beside its index: anything that could climb out of the folder is refused. (Its file
// may be a symbolic link, as in the Hugging Face cache.)
bool plain_file_name(std::string_view name) {
  const bool control = std::any_of(name.begin(), name.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  return name.size() > kSuffix.size() && name.size() <= 255 && name.ends_with(kSuffix) &&
         name.find('/') == std::string_view::npos && name.find('\\') == std::string_view::npos &&
         name.front() != '.' && !control;
}

// N of "model-00002-of-0000N.safetensors"; 0 for other names.
size_t series_length(std::string_view name) {
  const size_t of = name.rfind("-of-");
  if (of == std::string_view::npos) return 0;
  name.remove_suffix(kSuffix.size());
  size_t length = 0;
  const char* const begin = name.data() + of + 4;
  const char* const end = name.data() + name.size();
  const auto result = std::from_chars(begin, end, length);
  return result.ec == std::errc() && result.ptr == end ? length : 0;
}

}  // namespace

ShardIndex ShardIndex::parse(const nlohmann::json& index, const std::string& source) {
  if (!index.is_object()) fail(ErrorCode::kBadFile, "{}: not a JSON object", source);
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object()) {
    fail(ErrorCode::kBadFile, "{}: weight_map is not an object", source);
  }
  ShardIndex result;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string()) {
      fail(ErrorCode::kBadFile, "{}: weight_map entry '{}' is not a string", source,
           printable(tensor));
    }
    const auto& name = shard.get_ref<const std::string&>();
    if (!plain_file_name(name)) {
      fail(ErrorCode::kBadFile,
           "{}: tensor '{}' lies in '{}', expected the name of a .safetensors file in this folder",
           source, printable(tensor), printable(name));
    }
    result.weight_map.emplace(tensor, name);
  }
  if (const auto metadata = index.find("metadata");
      metadata != index.end() && metadata->is_object()) {
    const auto total = metadata->find("total_size");
    if (total != metadata->end() && total->is_number_unsigned()) {
      result.total_size = total->get<uint64_t>();
    }
  }
  return result;
}

std::vector<std::string> find_weight_files(const std::filesystem::path& folder) {
  for (const char* name : {"model.safetensors", "weights.safetensors"}) {
    // Of the link itself: a dangling one must be an error, not a reason to try other names.
    std::error_code error;
    if (std::filesystem::exists(std::filesystem::symlink_status(folder / name, error))) {
      return {name};
    }
  }
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    std::string name = entry.path().filename().string();
    if (name.starts_with("model") && name.ends_with(kSuffix)) names.push_back(std::move(name));
  }
  if (error) {
    fail(ErrorCode::kIo, "{}: cannot list folder: {}", folder.string(), error.message());
  }
  if (names.empty()) {
    fail(ErrorCode::kBadFile, "{}: no weights: expected model*.safetensors", folder.string());
  }
  std::sort(names.begin(), names.end());
  const size_t expected = series_length(names.front());
  if (expected != 0 && expected != names.size()) {
    fail(ErrorCode::kBadFile, "{}: {} of the {} shards that '{}' belongs to", folder.string(),
         names.size(), expected, printable(names.front()));
  }
  return names;
}

}  // namespace octavo
