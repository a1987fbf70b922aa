#include "image/decode.h"

#include <octavo_ffi_error.h>

#include "base/fail.h"
#include "base/mapped_file.h"
#include "image/ffi_image.h"

namespace octavo {

OctavoFfiImageLimits ffi_limits(std::span<const std::byte> bytes, const std::string& source,
                                const ImageLimits& limits) {
  if (bytes.size() > limits.max_bytes) {
    fail(ErrorCode::kBadFile, "{}: {} bytes, expected at most {}", source, bytes.size(),
         limits.max_bytes);
  }
  return {.max_pixels = limits.max_pixels,
          .max_frames = limits.max_frames,
          .max_animation_pixels = limits.max_animation_pixels,
          .max_milliseconds = limits.max_milliseconds};
}

void fail_as_ffi(const std::string& source) {
  fail(ErrorCode::kBadFile, "{}: {}", source, printable(ffi_error_text(), 300));
}

Image decode_image(std::span<const std::byte> bytes, const std::string& source,
                   const ImageLimits& limits) {
  const OctavoFfiImageLimits ffi = ffi_limits(bytes, source, limits);
  OctavoFfiImage image{};
  if (octavo_ffi_image_decode(ffi_bytes(bytes), bytes.size(), &ffi, &image) != OCTAVO_FFI_OK) {
    fail_as_ffi(source);
  }
  return take_ffi_image(image);
}

Image read_image(const std::filesystem::path& path, const ImageLimits& limits) {
  const MappedFile file(path);
  return decode_image(file.bytes(), path.string(), limits);
}

}  // namespace octavo
