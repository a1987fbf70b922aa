// text: the bytes that a vocabulary entry stands for.
#pragma once

#include <string>
#include <string_view>

namespace octavo {

/// "▁" (U+2581) stands for a space, "<0xHH>" for one byte; everything else for itself.
std::string token_bytes(std::string_view entry);

}  // namespace octavo
