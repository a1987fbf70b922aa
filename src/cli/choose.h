// cli: the value that a flag's text names.
#pragma once

#include <map>
#include <string>

#include "base/fail.h"

namespace octavo::cli {

template <typename Value>
Value choose(const std::map<std::string, Value>& choices, const std::string& text,
             const char* flag) {
  const auto found = choices.find(text);
  if (found != choices.end()) return found->second;
  std::string known;
  for (const auto& [name, value] : choices) known += (known.empty() ? "" : ", ") + name;
  fail(ErrorCode::kBadRequest, "{} '{}': expected one of {}", flag, printable(text), known);
}

}  // namespace octavo::cli
