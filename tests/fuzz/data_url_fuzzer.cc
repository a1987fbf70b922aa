// Text as a "data:" URL.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "clean_failure.h"
#include "image/data_url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  octavo::may_fail_cleanly([&] { octavo::parse_data_url(text); });
  return 0;
}
