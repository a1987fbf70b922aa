// image: pictures on their way to the model: decoding of files, PIL's resampling, patches. Knows no
// models.
#pragma once

#include <cstdint>
#include <vector>

namespace octavo {

/// 8-bit RGB, row-major [height, width, 3].
struct Image {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgb;
};

}  // namespace octavo
