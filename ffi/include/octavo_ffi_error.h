// The last failure of the ffi crate as a string.
#pragma once

#include <octavo_ffi.h>

#include <string>

namespace octavo {

inline std::string ffi_error_text() {
  const OctavoFfiText text = octavo_ffi_error();
  return text.size == 0 ? std::string() : std::string(text.data, text.size);
}

}  // namespace octavo
