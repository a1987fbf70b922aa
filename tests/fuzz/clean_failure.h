// What every fuzz target promises: bad input ends in octavo::Error with a one-line message. Any
// other exception escapes and counts as a finding.
#pragma once

#include <cstdlib>
#include <string_view>

#include "octavo/error.h"

namespace octavo {

template <typename Body>
void may_fail_cleanly(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    const std::string_view message = error.what();
    if (message.empty() || message.find('\n') != std::string_view::npos) std::abort();
  }
}

}  // namespace octavo
