// convert: the files of a model folder that are not weights.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace octavo::convert {

/// Copies tokenizer, chat template, generation and processor configuration and the licence, where
/// present; code (*.py) never. Returns the names copied. Throws kIo.
std::vector<std::string> copy_side_files(const std::filesystem::path& from,
                                         const std::filesystem::path& to);

}  // namespace octavo::convert
