// checkpoint: generation_config.json, the sampling defaults that come with a model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace octavo {

struct GenerationConfig {
  std::vector<int32_t> eos_token_ids;  // empty: config.json's count
  std::optional<double> temperature;   // >= 0
  std::optional<int32_t> top_k;        // 0 = off
  std::optional<double> top_p;         // (0, 1]
  std::optional<bool> do_sample;
};

/// Reads it from a model folder; a folder without the file gives an empty value. Throws kBadFile
/// naming file and key.
GenerationConfig read_generation_config(const std::filesystem::path& folder);

}  // namespace octavo
