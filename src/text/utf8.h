// text: UTF-8 of a byte stream that arrives in arbitrary pieces.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace octavo {

/// Moves the characters that are complete out of `pending`. Bytes that cannot belong to a character
/// become U+FFFD, one for each longest piece that could have begun one. What stays in `pending` is
/// the beginning of a character (at most 3 bytes), or nothing if `at_end`.
std::string take_complete_utf8(std::string& pending, bool at_end = false);

}  // namespace octavo
