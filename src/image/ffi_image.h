// image: what the picture functions of the ffi crate take and give, in our types.
#pragma once

#include <octavo_ffi.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "image/decode.h"
#include "image/image.h"

namespace octavo {

inline const uint8_t* ffi_bytes(std::span<const std::byte> bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}

/// Copies a buffer of the crate and gives it back.
template <typename Value>
std::vector<Value> take_ffi_bytes(OctavoFfiBytes& bytes) {
  const std::unique_ptr<OctavoFfiBytes, void (*)(OctavoFfiBytes*)> owner(
      &bytes, [](OctavoFfiBytes* owned) { octavo_ffi_bytes_free(*owned); });
  const auto* data = reinterpret_cast<const Value*>(bytes.data);
  return {data, data + bytes.size};
}

/// With the room that decoding needs.
inline Image make_ffi_image(const OctavoFfiImageSize& size) {
  return {size.width, size.height, std::vector<uint8_t>(size.bytes)};
}

/// Throws kBadFile naming `source` if the file is larger than the limit.
OctavoFfiImageLimits ffi_limits(std::span<const std::byte> bytes, const std::string& source,
                                const ImageLimits& limits);

/// Throws the crate's last failure as kBadFile, with `source` before it.
[[noreturn]] void fail_as_ffi(const std::string& source);

}  // namespace octavo
