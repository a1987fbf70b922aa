#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "base/fail.h"
#include "text/output_parser.h"
#include "text/tool_call.h"

namespace octavo {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxMembers = 4096;  // of one object: finding a key is linear

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

void append_utf8(std::string& out, uint32_t code) {
  if (code >= 0xD800 && code < 0xE000) code = 0xFFFD;
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

/// The four digits after "\u"; -1 if they are not there.
int64_t hex4(std::string_view text) {
  uint32_t value = 0;
  if (text.size() < 4) return -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 4, value, 16);
  return error == std::errc() && end == text.data() + 4 ? int64_t{value} : -1;
}

/// Undoes JSON's escapes; a backslash before anything else stays.
std::string unescape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const char c = text[0];
    if (c != '\\' || text.size() < 2) {
      out += c;
      text.remove_prefix(1);
      continue;
    }
    constexpr std::string_view kFrom = "\"'\\/bfnrt";
    constexpr std::string_view kTo = "\"'\\/\b\f\n\r\t";
    const size_t simple = kFrom.find(text[1]);
    int64_t code = text[1] == 'u' ? hex4(text.substr(2)) : -1;
    if (simple != std::string_view::npos) {
      out += kTo[simple];
      text.remove_prefix(2);
    } else if (code >= 0) {
      text.remove_prefix(6);
      const bool high = code >= 0xD800 && code < 0xDC00;
      const int64_t low = high && text.starts_with("\\u") ? hex4(text.substr(2)) : -1;
      if (low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        text.remove_prefix(6);
      }
      append_utf8(out, static_cast<uint32_t>(code));
    } else {
      out += c;
      text.remove_prefix(1);
    }
  }
  return out;
}

enum class NumberKind { kNone, kInteger, kFloat };

/// JSON's number grammar. "007" and "+5" are none: they are codes, not amounts.
NumberKind number_kind(std::string_view text) {
  size_t i = text.starts_with('-') ? 1 : 0;
  const auto digits = [&] {
    const size_t begin = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    return i - begin;
  };
  const bool leading_zero = i < text.size() && text[i] == '0';
  const size_t whole = digits();
  if (whole == 0 || (leading_zero && whole > 1)) return NumberKind::kNone;
  if (i == text.size()) return NumberKind::kInteger;
  if (text[i] == '.') {
    ++i;
    if (digits() == 0) return NumberKind::kNone;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return NumberKind::kNone;
  }
  return i == text.size() ? NumberKind::kFloat : NumberKind::kNone;
}

template <typename Number>
bool read_number(std::string_view text, Json& value) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  value = number;
  return true;
}

/// A value without quotes. Integers beyond 64 bits stay text, so that no digit is lost.
Json bare_value(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  if (text == "null" || text == "None") return nullptr;  // None: templates of April 2026
  Json value = std::string(text);
  switch (number_kind(text)) {
    case NumberKind::kInteger:
      if (!read_number<int64_t>(text, value)) read_number<uint64_t>(text, value);
      break;
    case NumberKind::kFloat:
      read_number<double>(text, value);
      break;
    case NumberKind::kNone:
      break;
  }
  return value;
}

class ArgumentParser {
 public:
  explicit ArgumentParser(std::string_view text) : text_(text) {}

  Json parse() {
    skip_space();
    if (peek() != '{') refuse("expected '{'");
    Json value = object();
    skip_space();
    if (position_ != text_.size()) refuse("unexpected text after the last '}'");
    return value;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail(ErrorCode::kBadRequest, "tool call arguments: {} at byte {} of \"{}\"", what, position_,
         printable(text_));
  }

  char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }
  bool at(std::string_view what) const { return text_.substr(position_).starts_with(what); }
  void skip_space() {
    while (position_ < text_.size() && is_space(text_[position_])) ++position_;
  }

  void open(char closer) {
    ++position_;
    closers_ += closer;
    if (closers_.size() > kMaxDepth) refuse("nested too deeply");
  }

  /// After an item: true if another may follow.
  bool next_item() {
    skip_space();
    const char c = peek();
    if (c == ',') {
      ++position_;
      skip_space();
      return peek() != closers_.back() || close();
    }
    if (c != closers_.back()) refuse("expected ',' or a closing bracket");
    return close();
  }

  bool close() {
    ++position_;
    closers_.pop_back();
    return false;
  }

  Json object() {
    Json value = Json::object();
    open('}');
    skip_space();
    if (peek() == '}') {
      close();
      return value;
    }
    do {
      const std::string name = key();
      value[name] = item();
      if (value.size() > kMaxMembers) refuse("too many members");
    } while (next_item());
    return value;
  }

  Json list() {
    Json value = Json::array();
    open(']');
    skip_space();
    if (peek() == ']') {
      close();
      return value;
    }
    do {
      value.push_back(item());
    } while (next_item());
    return value;
  }

  std::string key() {
    skip_space();
    std::string name;
    if (at(kStringMark)) {
      name = marked_string();
    } else if (!quoted_string(":", name)) {
      const size_t end = text_.find_first_of(":{}[],<", position_);
      name = trim(text_.substr(position_, end - position_));
      position_ = std::min(end, text_.size());
    }
    skip_space();
    if (peek() != ':' || name.empty()) refuse("expected a key and ':'");
    ++position_;
    return name;
  }

  Json item() {
    skip_space();
    if (at(kStringMark)) return marked_string();
    if (peek() == '{') return object();
    if (peek() == '[') return list();
    std::string text;
    if (quoted_string(",}]", text)) return text;
    return bare_item();
  }

  Json bare_item() {
    const size_t end = std::min(text_.find_first_of(",}]", position_), text_.size());
    std::string_view text = text_.substr(position_, end - position_);
    position_ = end;
    // A string whose opening mark was left out.
    if (text.ends_with(kStringMark)) {
      text.remove_suffix(kStringMark.size());
      return std::string(trim(text));
    }
    if (text.find(kStringMark) != std::string_view::npos) refuse("misplaced string mark");
    return bare_value(trim(text));
  }

  std::string marked_string() {
    position_ += kStringMark.size();
    const size_t end = text_.find(kStringMark, position_);
    if (end == std::string_view::npos) return unclosed_string();
    const std::string value(text_.substr(position_, end - position_));
    position_ = end + kStringMark.size();
    return value;
  }

  /// The last string lost its closing mark: it ends where the closing brackets begin that the text
  /// must end with.
  std::string unclosed_string() {
    size_t end = text_.size();
    for (const char closer : closers_) {
      while (end > position_ && is_space(text_[end - 1])) --end;
      if (end <= position_ || text_[end - 1] != closer) refuse("string is not closed");
      --end;
    }
    const std::string value(text_.substr(position_, end - position_));
    position_ = end;
    return value;
  }

  /// "…" or '…'. A quote inside may be unescaped: the closing one is the first that is followed by
  /// one of `followers`. False, and nothing read, if there is none.
  bool quoted_string(std::string_view followers, std::string& value) {
    const char quote = peek();
    if (quote != '"' && quote != '\'') return false;
    bool& hopeless = hopeless_[quote == '"' ? 0 : 1][followers == ":" ? 0 : 1];
    if (hopeless) return false;
    for (size_t i = position_ + 1; i < text_.size(); ++i) {
      if (text_[i] == '\\') {
        ++i;
      } else if (text_[i] == quote) {
        const size_t next = text_.find_first_not_of(" \t\n\r", i + 1);
        if (next == std::string_view::npos || followers.find(text_[next]) == std::string_view::npos)
          continue;
        value = unescape(text_.substr(position_ + 1, i - position_ - 1));
        position_ = i + 1;
        return true;
      }
    }
    hopeless = true;  // nor will there be one further on: keeps hostile text linear
    return false;
  }

  std::string_view text_;
  size_t position_ = 0;
  std::string closers_;  // of the containers that are open, outermost first
  std::array<std::array<bool, 2>, 2> hopeless_{};
};

}  // namespace

nlohmann::ordered_json parse_call_arguments(std::string_view text) {
  return ArgumentParser(text).parse();
}

}  // namespace octavo
