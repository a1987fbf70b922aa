// image: bicubic resampling with antialiasing, bit for bit as Pillow 13 does it.
#pragma once

#include "image/image.h"

namespace octavo {

/// `image` at another size: two passes, along rows and along columns, each rounded to 8 bits. A
/// pass that keeps its length is skipped. Throws kBadRequest unless both sizes are at least 1.
Image resize_bicubic(const Image& image, int64_t height, int64_t width);

}  // namespace octavo
