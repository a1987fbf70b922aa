// One conversation with a model: history, tool calls, reasoning, KV cache reuse.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/content.h"
#include "octavo/generation.h"
#include "octavo/model.h"

namespace octavo {

struct SessionOptions {
  std::string system{};          // system prompt; none if empty
  GenerationOptions defaults{};  // for the fields a call leaves empty
};

/// One turn at a time: send, reset or fork during another's turn throw kBadRequest; cancel() may
/// come from any thread or signal handler, turns(), pending_tool_calls() and history() only from
/// the thread that runs the turns. A turn that fails or is cancelled leaves the session as it was
/// before. Control tokens in the texts given reach the model as plain text.
class ChatSession {
 public:
  explicit ChatSession(Model model, SessionOptions options = {});
  ~ChatSession();
  ChatSession(ChatSession&&) noexcept;
  ChatSession& operator=(ChatSession&&) noexcept;

  /// One user turn and the model's answer. Throws kBadRequest while tool calls are outstanding, for
  /// bad config values, and for a history longer than the context.
  Result send(std::string_view text, const GenerationOptions& config = {});
  Result send_stream(std::string_view text, const GenerationOptions& config,
                     const EventCallback& callback);

  /// The same with pictures and videos among the texts. They stay in the history; each is encoded
  /// once and, while its part of the prompt is cached, not looked at again. Throws kUnsupported for
  /// a model that cannot see, and for sound.
  Result send(const Content& content, const GenerationOptions& config = {});
  Result send_stream(const Content& content, const GenerationOptions& config,
                     const EventCallback& callback);

  /// Answers one outstanding tool call, in any order. The model goes on with the last one; before
  /// that the result holds no tokens, kToolCalls and the number of calls still pending. An error's
  /// content is marked as such for the model.
  Result send_tool_result(std::string_view id, std::string_view content, bool is_error = false,
                          const GenerationOptions& config = {});
  Result send_tool_result_stream(std::string_view id, std::string_view content, bool is_error,
                                 const GenerationOptions& config, const EventCallback& callback);
  /// The same with pictures, which the model gets behind the texts; these it gets as one, with
  /// nothing in between.
  Result send_tool_result(std::string_view id, const Content& content, bool is_error = false,
                          const GenerationOptions& config = {});
  Result send_tool_result_stream(std::string_view id, const Content& content, bool is_error,
                                 const GenerationOptions& config, const EventCallback& callback);

  /// Ends the running turn with kCancelled: at the next token, prefill chunk, or layer of the tower
  /// that looks at a picture.
  void cancel() noexcept;

  /// Forgets the conversation, not the system prompt and the defaults.
  void reset();
  /// An independent session with the same past; the cache is shared until one of them writes.
  ChatSession fork() const;

  int64_t turns() const;                             // answers of the model
  std::vector<ToolCall> pending_tool_calls() const;  // without a result yet
  /// The messages as a JSON array, system prompt first; of pictures and videos only the names.
  std::string history() const;

 private:
  struct Impl;
  explicit ChatSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace octavo
