// base: throwing octavo::Error with a formatted message.
#pragma once

#include <fmt/format.h>

#include <utility>

#include "octavo/error.h"

namespace octavo {

template <typename... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

/// Text from outside made fit for a one-line message: everything but printable ASCII becomes '?',
/// long text is cut to `limit` bytes.
std::string printable(std::string_view text, size_t limit = 120);

}  // namespace octavo
