// checkpoint: processor_config.json, how a model wants its pictures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

namespace octavo {

/// Most soft tokens of an image: image_processor.max_soft_tokens of processor_config.json (or at
/// its top level, as in preprocessor_config.json), else config.json's vision_soft_tokens_per_image;
/// empty where neither says anything. Throws kBadFile naming file and key, for what is not one of
/// `budgets` too.
std::optional<int64_t> read_image_tokens(const std::filesystem::path& folder,
                                         std::span<const int64_t> budgets);

}  // namespace octavo
