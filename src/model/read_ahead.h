// model: the parts of a checkpoint that a forward pass reads whole.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace octavo {

/// The mapped bytes that are worth reading ahead, each span starting at a page: all but the table
/// of per-layer embeddings, which is as large as half of an E model and read row by row, and the
/// audio tower, which is never run. The mappings must start at pages.
std::vector<std::span<const std::byte>> read_ahead(const Checkpoint& checkpoint);

}  // namespace octavo
