// Whole .safetensors files. Accepted ones must tile their data exactly.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "checkpoint/safetensors.h"
#include "clean_failure.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  octavo::may_fail_cleanly([&] {
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto header = octavo::parse_safetensors(bytes, "fuzz.safetensors");
    const std::byte* next = nullptr;
    for (const auto& tensor : header.tensors) {
      const auto elements = static_cast<uint64_t>(tensor.elements());
      if (elements * octavo::dtype_size(tensor.dtype) != tensor.bytes.size()) std::abort();
      if (next != nullptr && tensor.bytes.data() != next) std::abort();
      next = tensor.bytes.data() + tensor.bytes.size();
    }
    if (next != nullptr && next != bytes.data() + bytes.size()) std::abort();
  });
  return 0;
}
