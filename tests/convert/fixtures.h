// Tests of convert: small random checkpoints and importance matrices.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "../temp_folder.h"
#include "convert/options.h"

namespace octavo::convert {

/// The real 26B-A4B configuration shrunk: 6 layers, the last one full, 4 experts, small widths.
nlohmann::json tiny_config();

/// Random BF16 weights in Hugging Face naming.
void write_checkpoint(const std::filesystem::path& folder, const nlohmann::json& config);

std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// "<name>.weight" -> sums [matrices * width] and counts [matrices].
struct Statistics {
  std::vector<float> sums, counts;
};
std::string gguf_imatrix(const std::map<std::string, Statistics>& entries,
                         const std::string& type = "imatrix");

/// Options with everything but the paths and `recipe` at its default.
ConvertOptions options_for(const std::filesystem::path& input, const std::filesystem::path& output);

}  // namespace octavo::convert
