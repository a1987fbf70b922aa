// numerics: block scales and elements of mxfp8, mxfp4 and nvfp4. Weights lie below 2^126.
#pragma once

#include <cstdint>

#include "numerics/group_codes.h"
#include "numerics/quantize.h"

namespace octavo {

/// The E8M0 code of the smallest scale 2^(b-127) with amax <= largest * 2^(b-127), from the exact
/// bits of amax; 0 for a zero group. Never 0xFF.
uint8_t mxfp8_scale_up(float amax);
uint8_t mxfp4_scale_up(float amax);

/// The old Metal rule: 127 + round(log2(amax / largest)), which clips up to 29 % of the maximum.
uint8_t mxfp8_scale_nearest(float amax);
uint8_t mxfp4_scale_nearest(float amax);

/// `amax` is the largest magnitude among the 32 (mx) or 16 (nv) weights.
void encode_mxfp8(const float* weights, float amax, ScaleRule rule, GroupCodes& out);
void encode_mxfp4(const float* weights, float amax, ScaleRule rule, GroupCodes& out);
void encode_nvfp4(const float* weights, float amax, ScaleRule rule, GroupCodes& out);

}  // namespace octavo
