// Arbitrary ids, two bytes each, as a model's output. What the parser gives must not depend on
// where it is asked, and must hold no control token.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "text/output_parser.h"

namespace {

void require_no_marker(const std::string& text, const octavo::Tokenizer& tokenizer,
                       const std::vector<int32_t>& ids) {
  // Markers spelled in ordinary tokens are text; without them none may appear.
  if (text.find("<|") == std::string::npos) return;
  for (const int32_t id : ids) {
    if (!tokenizer.is_special(id) && tokenizer.token(id).find('|') != std::string::npos) return;
    if (tokenizer.token(id) == "<0x7C>") return;
  }
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto tokenizer = octavo::Tokenizer::load(OCTAVO_SOURCE_DIR "/models/capitals");
  if (size == 0) return 0;
  octavo::OutputParser parser(tokenizer, (data[0] & 1) != 0, (data[0] & 2) != 0);
  std::vector<int32_t> ids;
  std::string shown;
  for (size_t i = 1; i + 1 < size; i += 2) {
    ids.push_back(data[i] | data[i + 1] << 8);
    const octavo::ParsedOutput output = parser.push(ids.back());
    shown += output.text + output.reasoning;
  }
  const octavo::ParsedOutput output = parser.finish();
  require_no_marker(shown + output.text + output.reasoning, *tokenizer, ids);
  return 0;
}
