// image: PNG, JPEG, WebP, GIF and BMP as 8-bit RGB, by the decoders of ffi/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "image/image.h"

namespace octavo {

/// What a picture from outside may cost: all but the time is compared with what the file says of
/// itself before it is decoded. Whatever is accepted or refused under these stays within 256 MiB,
/// the program and the resizing included, of a video one frame at a time; and a damaged file is
/// refused within a second.
struct ImageLimits {
  uint64_t max_bytes = 64 << 20;  // of the file
  uint64_t max_pixels = 50'000'000;

  /// Of the file, the pixels and the decoder together. 50 megapixels of a baseline JPEG or a PNG
  /// fit, 40 of a WebP, 30 of a lossless WebP without alpha or of a progressive JPEG (24 at full
  /// chroma).
  uint64_t max_memory = 224 << 20;

  // Of a GIF or WebP that is read as a video.
  uint32_t max_frames = 10'000;
  uint64_t max_frame_pixels = 1920 * 1088;  // width times height

  /// For the frames that are decoded, reckoned from their sizes: a pixel that a frame of a GIF
  /// paints takes 1 and a byte of it 6, in a WebP 8 and 20. What an encoder leaves out because it
  /// stays as it is takes nothing. Enough for 350 frames of 1280 x 720 in a GIF, 32 in a WebP.
  uint64_t max_work = 330'000'000;
  uint64_t max_milliseconds = 900;  // of the processor, for the same frames
};

/// Decodes a picture; the format is told by its content, a GIF gives its first frame. The picture
/// is turned as its EXIF says, alpha is dropped but a single transparent colour becomes white,
/// 16-bit channels keep their high byte. Throws kBadFile naming `source`: damaged, cut short,
/// beyond the limits, or no picture.
Image decode_image(std::span<const std::byte> bytes, const std::string& source,
                   const ImageLimits& limits = {});

/// decode_image of a regular file. Also throws kIo.
Image read_image(const std::filesystem::path& path, const ImageLimits& limits = {});

}  // namespace octavo
