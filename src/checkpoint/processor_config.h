// checkpoint: processor_config.json, how a model wants its pictures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace octavo {

/// Most soft tokens of an image: image_processor.max_soft_tokens of processor_config.json (or at
/// its top level, as in preprocessor_config.json), else config.json's vision_soft_tokens_per_image;
/// empty where neither says anything. Throws kBadFile naming file and key.
std::optional<int64_t> read_image_tokens(const std::filesystem::path& folder);

}  // namespace octavo
