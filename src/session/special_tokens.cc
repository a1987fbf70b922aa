#include "session/special_tokens.h"

#include <algorithm>

namespace octavo {

SpecialTokens SpecialTokens::find(const Tokenizer& tokenizer, std::span<const int32_t> eos_ids,
                                  int64_t vocab_size) {
  const auto id = [&](std::string_view token) -> std::optional<int32_t> {
    const auto found = tokenizer.id(token);
    return found && *found >= 0 && *found < vocab_size ? found : std::nullopt;
  };
  SpecialTokens tokens;
  for (int32_t eos : eos_ids) {
    if (eos >= 0 && eos < vocab_size) tokens.stop.push_back(eos);
  }
  // Without the tool response marker the model makes up the answers to its own calls.
  for (std::string_view name : {"<eos>", "<turn|>", "<|tool_response>"}) {
    if (const auto found = id(name)) tokens.stop.push_back(*found);
  }
  std::sort(tokens.stop.begin(), tokens.stop.end());
  tokens.stop.erase(std::unique(tokens.stop.begin(), tokens.stop.end()), tokens.stop.end());

  for (std::string_view name :
       {"<|image>", "<|audio>", "<|image|>", "<|audio|>", "<image|>", "<audio|>", "<|video|>"}) {
    if (const auto found = id(name)) tokens.media.push_back(*found);
  }
  tokens.image = id("<|image|>");
  tokens.video = id("<|video|>");
  tokens.image_begin = id("<|image>");
  tokens.image_end = id("<image|>");
  tokens.bos = id("<bos>");
  tokens.channel_open = id("<|channel>");
  tokens.channel_close = id("<channel|>");
  return tokens;
}

bool SpecialTokens::is_stop(int32_t token) const {
  return std::binary_search(stop.begin(), stop.end(), token);
}

bool SpecialTokens::ends_in_channel(std::span<const int32_t> prompt) const {
  const auto last = std::find_if(prompt.rbegin(), prompt.rend(), [&](int32_t token) {
    return token == channel_open || token == channel_close;
  });
  return last != prompt.rend() && *last == channel_open;
}

}  // namespace octavo
