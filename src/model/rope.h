// model: rotary position embedding tables.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "checkpoint/model_config.h"

namespace octavo {

/// head_dim / 2 frequencies: theta^(-2i / head_dim) / factor for the first
/// floor(partial_rotary_factor * head_dim / 2) pairs, 0 (no rotation) for the rest. For the
/// proportional type the exponent is divided by the full head dimension, not by the rotated part.
std::vector<float> rope_frequencies(const RopeConfig& config, int64_t head_dim);

/// Angles are products in f32, as in the reference implementations.
RopeTable rope_table(std::span<const float> frequencies, std::span<const int64_t> positions);

}  // namespace octavo
