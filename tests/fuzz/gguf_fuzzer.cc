// Whole GGUF files. Tensors of accepted ones must lie inside the file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "checkpoint/gguf.h"
#include "clean_failure.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  octavo::may_fail_cleanly([&] {
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto contents = octavo::parse_gguf(bytes, "fuzz.gguf");
    for (const auto& [name, tensor] : contents.tensors) {
      const auto begin = tensor.bytes.data() - bytes.data();
      if (begin < 0 || static_cast<size_t>(begin) + tensor.bytes.size() > size) std::abort();
    }
  });
  return 0;
}
