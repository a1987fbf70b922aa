// checkpoint: a single .safetensors file from arrays in memory.
#pragma once

#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "checkpoint/safetensors_writer.h"

namespace octavo {

/// Writes the tensors to `path`, aside first and then renamed, replacing what is there. Throws
/// kBadRequest if a plan and its bytes disagree, kIo from the file system.
void write_safetensors_file(
    const std::filesystem::path& path,
    const std::vector<std::pair<TensorPlan, std::span<const std::byte>>>& tensors);

}  // namespace octavo
