// numerics: affine groups, w = scale * code + bias with an unsigned code. Weights are finite.
#pragma once

#include "numerics/group_codes.h"
#include "numerics/quantize.h"

namespace octavo {

/// Encodes `group_size` weights (32, 64 or 128). False if scale or bias is beyond BF16; `out` is
/// then unfinished.
[[nodiscard]] bool encode_affine(const float* weights, int group_size, int bits, ScaleRule rule,
                                 GroupCodes& out);

}  // namespace octavo
