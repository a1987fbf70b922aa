// numerics: one quantized group before packing; what the encoders of the modes hand back.
#pragma once

#include <cstdint>

namespace octavo {

inline constexpr int kMaxGroupSize = 128;

struct GroupCodes {
  alignas(64) uint8_t codes[kMaxGroupSize];  // one element each
  uint16_t scale = 0;    // as stored: an E8M0 or E4M3 byte, for affine BF16 bits
  uint16_t bias = 0;     // BF16 bits, affine only
  bool clipped = false;  // an element lay beyond the largest code's value
};

}  // namespace octavo
