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
          .max_memory = limits.max_memory,
          .max_frames = limits.max_frames,
          .max_frame_pixels = limits.max_frame_pixels,
          .max_work = limits.max_work,
          .max_milliseconds = limits.max_milliseconds};
}

void fail_as_ffi(const std::string& source) {
  fail(ErrorCode::kBadFile, "{}: {}", source, printable(ffi_error_text(), 300));
}

Image decode_image(std::span<const std::byte> bytes, const std::string& source,
                   const ImageLimits& limits) {
  const OctavoFfiImageLimits ffi = ffi_limits(bytes, source, limits);
  OctavoFfiImageSize size{};
  if (octavo_ffi_image_measure(ffi_bytes(bytes), bytes.size(), &ffi, &size) != OCTAVO_FFI_OK) {
    fail_as_ffi(source);
  }
  Image image = make_ffi_image(size);
  if (octavo_ffi_image_decode(ffi_bytes(bytes), bytes.size(), &ffi, image.rgb.data(),
                              image.rgb.size()) != OCTAVO_FFI_OK) {
    fail_as_ffi(source);
  }
  // What lies behind is kept: to give it back would take a copy.
  image.rgb.resize(static_cast<size_t>(3 * image.width * image.height));
  return image;
}

Image read_image(const std::filesystem::path& path, const ImageLimits& limits) {
  const MappedFile file(path);
  return decode_image(file.bytes(), path.string(), limits);
}

}  // namespace octavo
