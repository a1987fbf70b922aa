// The demonstration model's tokenizer, shared by the tests of text.
#pragma once

#include <memory>

#include "text/tokenizer.h"

namespace octavo {

inline std::shared_ptr<const Tokenizer> capitals_tokenizer() {
  static const std::shared_ptr<const Tokenizer> tokenizer =
      Tokenizer::load(std::filesystem::path(OCTAVO_SOURCE_DIR) / "models/capitals");
  return tokenizer;
}

/// Text as byte tokens: the finest pieces in which a model can write it.
inline std::vector<int32_t> byte_ids(const Tokenizer& tokenizer, std::string_view text) {
  const int32_t first = tokenizer.id("<0x00>").value();
  std::vector<int32_t> ids;
  for (const char c : text) ids.push_back(first + static_cast<unsigned char>(c));
  return ids;
}

}  // namespace octavo
