// session: the messages of a conversation and the tool calls that wait for results.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/generation.h"
#include "session/media.h"

namespace octavo {

/// A value: a turn works on a copy and becomes the session's history only when it has succeeded.
/// Texts go in with control tokens broken up and invalid UTF-8 replaced; texts that a template may
/// print without anything between them go in as one, so that their pieces cannot become a token.
class History {
 public:
  explicit History(std::string_view system);

  const nlohmann::ordered_json& messages() const { return messages_; }
  /// What the placeholders of the messages stand for, in the order of a rendered chat.
  std::span<const Media> media() const { return media_; }
  int64_t turns() const { return turns_; }
  std::vector<ToolCall> pending() const;

  /// Throws kBadRequest while calls are pending.
  void add_user(MediaContent content);

  /// Adds the model's answer and gives its tool calls their ids. Calls that did not parse are
  /// answered at once with the error, so that the model can read what was wrong.
  void add_answer(Result& result);

  /// Throws kBadRequest for an id that is not pending.
  void add_tool_result(std::string_view id, MediaContent content, bool is_error);

 private:
  struct OpenCall {
    ToolCall call;
    std::optional<MediaContent> result;
  };

  nlohmann::ordered_json take_content(MediaContent content);
  void close_calls_if_all_answered();

  nlohmann::ordered_json messages_ = nlohmann::ordered_json::array();
  std::vector<Media> media_;
  std::vector<OpenCall> open_calls_;  // of the last answer, in its order
  int64_t turns_ = 0;
  int64_t calls_ = 0;
};

}  // namespace octavo
