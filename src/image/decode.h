// image: PNG, JPEG, WebP, GIF and BMP as 8-bit RGB, by the decoders of ffi/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "image/image.h"

namespace octavo {

/// What a picture from outside may cost. Sizes are compared with its header before it is decoded.
struct ImageLimits {
  uint64_t max_bytes = 64 << 20;                  // of the file
  uint64_t max_pixels = 50'000'000;               // half as many with 16 bits and four channels
  uint32_t max_frames = 10'000;                   // in a GIF or WebP
  uint64_t max_animation_pixels = 2'000'000'000;  // of all frames that are decoded for a video
  uint64_t max_milliseconds = 10'000;             // for decoding those frames
};

/// Decodes a picture; the format is told by its content, a GIF gives its first frame. The picture
/// is turned as its EXIF says, alpha is dropped, 16-bit channels keep their high byte. Throws
/// kBadFile naming `source`: damaged, cut short, beyond the limits, or no picture.
Image decode_image(std::span<const std::byte> bytes, const std::string& source,
                   const ImageLimits& limits = {});

/// decode_image of a regular file. Also throws kIo.
Image read_image(const std::filesystem::path& path, const ImageLimits& limits = {});

}  // namespace octavo
