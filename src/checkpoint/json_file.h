// checkpoint: JSON from strangers: size and depth limits, errors that name the file.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

namespace octavo {

/// Parses `text`; throws kBadFile "<name>: ..." for invalid JSON, nesting deeper than 128 levels,
/// duplicate keys, invalid UTF-8 or numbers out of range (1e999).
nlohmann::json parse_json(std::string_view text, std::string_view name);

/// Reads and parses a file of at most `limit` bytes.
nlohmann::json read_json_file(const std::filesystem::path& path, size_t limit = size_t{64} << 20);

}  // namespace octavo
