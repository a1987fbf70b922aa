// text: one tool call as the model writes it, "call:NAME{ARGUMENTS}".
#pragma once

#include <string>
#include <string_view>

#include "text/output_parser.h"

namespace octavo {

/// The text of the control token that opens and closes a string in arguments.
inline constexpr std::string_view kStringMark = "<|\"|>";

/// Never throws for malformed text: status and error say what is wrong.
ParsedToolCall parse_tool_call(std::string raw);

/// Watches the beginning of a message for a call that lacks its opening token.
class PlainCallScanner {
 public:
  enum class Verdict {
    kUndecided,  // could still become a call, or is one that is not complete
    kText,       // is no call
    kCall,       // complete: `call()` and `rest()` hold
  };

  Verdict push(std::string_view text);

  const std::string& held() const { return held_; }
  /// True from "call:NAME{" on.
  bool is_call() const { return stage_ == Stage::kArguments; }
  std::string call() const { return held_.substr(0, end_); }
  std::string rest() const { return held_.substr(end_); }

 private:
  enum class Stage { kSpace, kPrefix, kName, kArguments };

  bool scan_head();       // false: no call
  bool scan_arguments();  // true: complete
  bool scan_quoted();

  std::string held_;
  Stage stage_ = Stage::kSpace;
  size_t position_ = 0;
  size_t begin_ = 0;  // of the stage
  size_t end_ = 0;
  int depth_ = 0;
  char quote_ = 0;  // of the string that is open; 'm' if opened by kStringMark
  bool value_starts_ = false;
};

}  // namespace octavo
