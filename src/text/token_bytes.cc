#include "text/token_bytes.h"

#include <charconv>

namespace octavo {

std::string token_bytes(std::string_view entry) {
  if (entry.size() == 6 && entry.starts_with("<0x") && entry.ends_with(">")) {
    unsigned value = 0;
    const char* digits = entry.data() + 3;
    const auto [end, error] = std::from_chars(digits, digits + 2, value, 16);
    if (error == std::errc() && end == digits + 2) return std::string(1, static_cast<char>(value));
  }
  constexpr std::string_view kSpaceMark = "\u2581";
  std::string bytes;
  for (;;) {
    const size_t mark = entry.find(kSpaceMark);
    bytes += entry.substr(0, mark);
    if (mark == std::string_view::npos) return bytes;
    bytes += ' ';
    entry.remove_prefix(mark + kSpaceMark.size());
  }
}

}  // namespace octavo
