// text: what a model's token stream means: reasoning, visible text, tool calls. By token id, not by
// text.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace octavo {

struct ParsedToolCall {
  std::string name;
  nlohmann::ordered_json arguments;  // object; a string holding the raw text if it did not parse
  std::string raw;                   // "call:NAME{...}" as generated
  enum class Status { kOk, kMissingName, kParseError } status = Status::kOk;
  std::string error;
};

/// What one token brought. Empty strings and vectors mean nothing.
struct ParsedOutput {
  std::string text;       // visible text
  std::string reasoning;  // live reasoning text, label "thought\n" removed
  std::vector<ParsedToolCall> tool_calls;
};

/// Feed it every generated token. States: message, channel, tool call, swallowed block (a tool
/// declaration or response that the model invents). Control tokens never become text. A channel's
/// label ("thought"), the newline before its end, thoughts of white space only, and white space
/// between a thought or call and the visible text are left out.
class OutputParser {
 public:
  /// `in_reasoning`: the prompt ended in an open thought channel. `tools_offered`: a message that
  /// begins with "call:NAME{" is a call although its opening token is missing.
  explicit OutputParser(std::shared_ptr<const Tokenizer> tokenizer, bool in_reasoning = false,
                        bool tools_offered = true);
  ~OutputParser();
  OutputParser(OutputParser&&) noexcept;

  ParsedOutput push(int32_t id);
  /// End of generation: held-back bytes, an unterminated call (as kParseError unless it parses).
  ParsedOutput finish();

  bool in_reasoning() const;
  int64_t reasoning_tokens() const;  // tokens of reasoning so far, labels and markers excluded

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Parses the argument language of Gemma 4's calls: {key:value,...}; strings in <|"|>, lenient to
/// "..." and '...', to bare strings and to a missing closing quote at the end. Integers beyond 64
/// bits come as strings. Throws kBadRequest.
nlohmann::ordered_json parse_call_arguments(std::string_view text);

}  // namespace octavo
