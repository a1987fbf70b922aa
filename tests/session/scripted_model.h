// A model whose every next token is decided by a test. Tokenizer and template are the demo model's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "octavo/session.h"
#include "session/model_impl.h"

namespace octavo {

/// The next token after `answer`, the tokens generated so far for `prompt`.
using Script =
    std::function<int32_t(std::span<const int32_t> prompt, std::span<const int32_t> answer)>;

struct ScriptedModel {
  Script script;
  std::vector<std::vector<int32_t>> prompts;  // of every assign
  std::vector<std::vector<PromptImage>> images;
  std::vector<size_t> cached;   // reused tokens of every assign
  size_t max_rewind = 1 << 20;  // as if sliding windows held no more
  int decoders_made = 0;
  std::vector<int64_t> encoded;  // soft tokens of every picture that was encoded
  std::function<void()> while_encoding = [] {};

  Model model() const { return Model(impl); }
  std::string prompt_text(size_t index) const {
    return impl->tokenizer->decode(prompts.at(index), true);
  }
  /// A model can see from here on; `cache_bytes` is for encoded pictures.
  void open_eyes(uint64_t cache_bytes = uint64_t{1} << 30);
  int32_t id(std::string_view token) const { return impl->tokenizer->id(token).value(); }

  std::shared_ptr<Model::Impl> impl;
};

/// Answers the n-th prompt with replies[n], control tokens included; a reply ends by itself with
/// <turn|> unless it says otherwise.
std::shared_ptr<ScriptedModel> scripted_model(std::vector<std::string> replies);
std::shared_ptr<ScriptedModel> scripted_model(Script script);

}  // namespace octavo
