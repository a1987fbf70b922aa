// checkpoint: model.safetensors.index.json, and which files of a folder hold its weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace octavo {

inline constexpr const char* kShardIndexName = "model.safetensors.index.json";

struct ShardIndex {
  std::map<std::string, std::string> weight_map;  // tensor -> file name in the same folder
  std::optional<uint64_t> total_size;             // as claimed; not to be trusted

  /// Throws kBadFile naming `source`: weight_map missing or not a map of strings, a shard that is
  /// not a plain "*.safetensors" file name.
  static ShardIndex parse(const nlohmann::json& index, const std::string& source);
};

/// File names of the weights of a folder without an index: model.safetensors, else
/// weights.safetensors, else model*.safetensors. Throws kBadFile if there are none, or if a
/// "-of-0000N" series is incomplete.
std::vector<std::string> find_weight_files(const std::filesystem::path& folder);

}  // namespace octavo
