#include "text/tool_call.h"

#include "octavo/error.h"

namespace octavo {
namespace {

constexpr std::string_view kPrefix = "call:";
constexpr std::string_view kSpace = " \t\n\r";
constexpr size_t kMaxName = 128;
constexpr char kMarked = 'm';

bool is_space(char c) {
  return kSpace.find(c) != std::string_view::npos;
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == ':' || c == '/';
}

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace

ParsedToolCall parse_tool_call(std::string raw) {
  ParsedToolCall call;
  call.raw = std::move(raw);
  call.arguments = nlohmann::ordered_json::object();
  std::string_view text = trim(call.raw);
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  const size_t brace = text.find('{');
  call.name = trim(text.substr(0, brace));
  const std::string_view arguments =
      brace == std::string_view::npos ? std::string_view("{}") : text.substr(brace);
  try {
    call.arguments = parse_call_arguments(arguments);
  } catch (const Error& error) {
    call.status = ParsedToolCall::Status::kParseError;
    call.arguments = std::string(arguments);
    call.error = error.what();
  }
  if (call.name.empty()) {
    call.status = ParsedToolCall::Status::kMissingName;
    call.error = "tool call without a name, expected call:NAME{...}";
  }
  return call;
}

PlainCallScanner::Verdict PlainCallScanner::push(std::string_view text) {
  held_ += text;
  if (stage_ != Stage::kArguments && !scan_head()) return Verdict::kText;
  if (stage_ == Stage::kArguments && scan_arguments()) return Verdict::kCall;
  return Verdict::kUndecided;
}

bool PlainCallScanner::scan_head() {
  for (; position_ < held_.size() && stage_ != Stage::kArguments; ++position_) {
    const char c = held_[position_];
    if (stage_ == Stage::kSpace) {
      if (is_space(c)) continue;
      stage_ = Stage::kPrefix;
      begin_ = position_;
    }
    const size_t offset = position_ - begin_;
    if (stage_ == Stage::kPrefix) {
      if (c != kPrefix[offset]) return false;
      if (offset + 1 == kPrefix.size()) stage_ = Stage::kName;
    } else if (c == '{' && offset > kPrefix.size()) {
      stage_ = Stage::kArguments;
      --position_;  // the brace belongs to the arguments; undoes the loop's step
    } else if (!is_name_character(c) || offset > kPrefix.size() + kMaxName) {
      return false;
    }
  }
  return true;
}

bool PlainCallScanner::scan_arguments() {
  while (position_ < held_.size()) {
    if (quote_ != 0) {
      if (!scan_quoted()) return false;
      continue;
    }
    const std::string_view rest = std::string_view(held_).substr(position_);
    if (rest.starts_with(kStringMark)) {
      quote_ = kMarked;
      position_ += kStringMark.size();
      continue;
    }
    if (kStringMark.starts_with(rest)) return false;
    const char c = held_[position_++];
    if ((c == '"' || c == '\'') && value_starts_) quote_ = c;
    if (!is_space(c)) value_starts_ = c == ':' || c == ',' || c == '{' || c == '[';
    if (c == '{' || c == '[') ++depth_;
    if ((c == '}' || c == ']') && --depth_ == 0) {
      end_ = position_;
      return true;
    }
  }
  return false;
}

/// Moves past the string that is open, by the rules of parse_call_arguments; false if more text is
/// needed to tell where it ends.
bool PlainCallScanner::scan_quoted() {
  if (quote_ == kMarked) {
    const size_t found = held_.find(kStringMark, position_);
    if (found == std::string::npos) {  // what could be the beginning of a mark is looked at again
      const size_t kept = std::min(held_.size() - position_, kStringMark.size() - 1);
      position_ = held_.size() - kept;
      return false;
    }
    position_ = found + kStringMark.size();
    quote_ = 0;
    return true;
  }
  while (position_ < held_.size()) {
    const size_t found = held_.find_first_of(std::string{quote_, '\\'}, position_);
    position_ = std::min(found, held_.size());
    if (found == std::string::npos) return false;
    const size_t next =
        held_[found] == '\\' ? found + 1 : held_.find_first_not_of(kSpace, found + 1);
    if (next >= held_.size()) return false;
    if (held_[found] == '\\') {
      position_ = found + 2;
      continue;
    }
    position_ = found + 1;
    if (std::string_view(",}]:").find(held_[next]) != std::string_view::npos) {
      quote_ = 0;
      return true;
    }
  }
  return false;
}

}  // namespace octavo
