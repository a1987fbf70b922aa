// image: a picture as the patches that a vision tower takes.
#pragma once

#include <cstdint>
#include <vector>

#include "image/image.h"

namespace octavo {

/// Square patches of a resized picture, row by row: [rows * columns, size * size * 3], the channel
/// fastest. 8-bit values: the tower scales them.
struct ImagePatches {
  int64_t columns = 0, rows = 0, size = 0;
  std::vector<uint8_t> values;
};

}  // namespace octavo
