// numerics: affine groups, w = scale * code + bias with an unsigned code. Weights lie below 2^126.
#pragma once

#include "numerics/group_codes.h"
#include "numerics/quantize.h"

namespace octavo {

/// Encodes `group_size` weights (32, 64 or 128).
void encode_affine(const float* weights, int group_size, int bits, ScaleRule rule, GroupCodes& out);

}  // namespace octavo
