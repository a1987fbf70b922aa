#include "image/data_url.h"

#include <octavo_ffi.h>
#include <octavo_ffi_error.h>

#include <algorithm>

#include "base/fail.h"
#include "image/ffi_image.h"

namespace octavo {
namespace {

constexpr std::string_view kExpected = "data:image/TYPE;base64,DATA";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

std::vector<std::byte> parse_data_url(std::string_view url) {
  constexpr std::string_view kScheme = "data:", kType = "image/", kEncoding = ";base64";
  const size_t comma = url.find(',');
  const std::string_view head = url.substr(0, comma);
  if (comma == url.npos || !equal_ignoring_case(head.substr(0, kScheme.size()), kScheme)) {
    fail(ErrorCode::kBadRequest, "data URL: begins with \"{}\", expected {}",
         printable(url.substr(0, 40)), kExpected);
  }
  const std::string_view type = head.substr(kScheme.size());
  if (!equal_ignoring_case(type.substr(0, kType.size()), kType)) {
    fail(ErrorCode::kBadRequest, "data URL: media type \"{}\", expected {}",
         printable(type.substr(0, 40)), kExpected);
  }
  const size_t encoding = type.size() - std::min(type.size(), kEncoding.size());
  if (!equal_ignoring_case(type.substr(encoding), kEncoding)) {
    fail(ErrorCode::kBadRequest, "data URL: \"{}\" without base64, expected {}",
         printable(type.substr(0, 40)), kExpected);
  }
  const std::string_view data = url.substr(comma + 1);
  OctavoFfiBytes bytes{};
  if (octavo_ffi_base64_decode(data.data(), data.size(), &bytes) != OCTAVO_FFI_OK) {
    fail(ErrorCode::kBadRequest, "data URL: {}", printable(ffi_error_text(), 300));
  }
  return take_ffi_bytes<std::byte>(bytes);
}

}  // namespace octavo
