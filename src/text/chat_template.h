// text: conversations to prompt text, by the checkpoint's own Jinja template or the built-in one.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace octavo {

struct ChatRequest {
  nlohmann::ordered_json messages;  // array of {"role", "content", "reasoning", "tool_calls", ...}
  nlohmann::ordered_json tools;     // array of {"type": "function", "function": {...}} or null
  bool enable_thinking = false;
  bool add_generation_prompt = true;
  nlohmann::ordered_json extra;  // further template variables, object or null
};

class ChatTemplate {
 public:
  /// `folder`/chat_template.jinja, else the chat_template of tokenizer_config.json, else Gemma 4's
  /// rules built in. Throws kBadFile naming the file if the template does not parse.
  static std::shared_ptr<const ChatTemplate> load(const std::filesystem::path& folder);
  static std::shared_ptr<const ChatTemplate> parse(const std::string& source,
                                                   const std::string& name);
  ~ChatTemplate();

  /// Throws kBadRequest: the template's file and its own message (raise_exception, fuel, ...).
  std::string render(const ChatRequest& request) const;

 private:
  ChatTemplate();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Gemma 4's control tokens that occur in `text` (from a user or a tool) are broken up by a
/// zero-width space (U+200B) after their "<", so that they reach the model as plain text and cannot
/// open or close turns, channels or calls. All other text stays as it is.
std::string neutralise_control_tokens(std::string_view text);

}  // namespace octavo
