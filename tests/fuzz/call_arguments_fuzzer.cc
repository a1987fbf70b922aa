// Arbitrary text as the arguments of a tool call: a value or an Error, never anything else.
#include <cstdint>

#include "octavo/error.h"
#include "text/output_parser.h"
#include "text/tool_call.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    octavo::parse_call_arguments(text);
  } catch (const octavo::Error&) {
  }
  octavo::parse_tool_call(text);
  return 0;
}
