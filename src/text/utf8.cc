#include "text/utf8.h"

#include <cstdint>

namespace octavo {
namespace {

struct Lead {
  size_t length;  // bytes of the character; 0 if no character begins so
  uint8_t low;    // smallest and largest second byte
  uint8_t high;
};

Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};  // no surrogates
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

/// Bytes at the beginning of `text` that agree with `lead`.
size_t matching_bytes(std::string_view text, const Lead& lead) {
  size_t count = 1;
  while (count < lead.length && count < text.size()) {
    const auto byte = static_cast<uint8_t>(text[count]);
    const uint8_t low = count == 1 ? lead.low : 0x80;
    const uint8_t high = count == 1 ? lead.high : 0xBF;
    if (byte < low || byte > high) break;
    ++count;
  }
  return count;
}

}  // namespace

std::string take_complete_utf8(std::string& pending, bool at_end) {
  std::string text;
  std::string_view rest = pending;
  while (!rest.empty()) {
    const Lead lead = lead_of(static_cast<uint8_t>(rest[0]));
    const size_t count = matching_bytes(rest, lead);
    if (count == lead.length) {
      text += rest.substr(0, count);
    } else if (lead.length != 0 && count == rest.size() && !at_end) {
      break;
    } else {
      text += "\uFFFD";
    }
    rest.remove_prefix(count);
  }
  pending = std::string(rest);
  return text;
}

}  // namespace octavo
