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

/// Feed it every generated token. States: message, channel, tool call, swallowed block.
class OutputParser {
 public:
  /// `in_reasoning`: the prompt ended in an open thought channel.
  explicit OutputParser(std::shared_ptr<const Tokenizer> tokenizer, bool in_reasoning = false);
  ~OutputParser();
  OutputParser(OutputParser&&) noexcept;

  ParsedOutput push(int32_t id);
  /// End of generation: held-back bytes, an unterminated call (as kParseError unless it parses).
  ParsedOutput finish();

  bool in_reasoning() const;
  int64_t reasoning_tokens() const;  // tokens pushed inside thought channels
 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Parses the argument language of Gemma 4's calls: {key:value,...}; strings in <|"|>, lenient to
/// "..." and '...' and to a missing closing quote at the end. Throws kBadRequest.
nlohmann::ordered_json parse_call_arguments(std::string_view text);

}  // namespace octavo
