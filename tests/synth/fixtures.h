// Tests of synth: a small shape and its files.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "../temp_folder.h"

namespace octavo::synth {

/// The 26B-A4B shape shrunk: 6 layers, the last one full, 4 experts, rows of whole groups and, in
/// the experts, of an odd number of stretches.
nlohmann::json small_config();

std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace octavo::synth
