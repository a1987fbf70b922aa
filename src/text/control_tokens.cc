#include <array>
#include <string_view>

#include "text/chat_template.h"

namespace octavo {
namespace {

constexpr std::array<std::string_view, 24> kControlTokens = {
    "<pad>",
    "<eos>",
    "<bos>",
    "<unk>",
    "<mask>",
    "<|tool>",
    "<tool|>",
    "<|tool_call>",
    "<tool_call|>",
    "<|tool_response>",
    "<tool_response|>",
    "<|\"|>",
    "<|think|>",
    "<|channel>",
    "<channel|>",
    "<|turn>",
    "<turn|>",
    "<|image>",
    "<|audio>",
    "<|image|>",
    "<|audio|>",
    "<image|>",
    "<audio|>",
    "<|video|>",
};

/// Zero-width space: it shows nothing, and models read over it.
constexpr std::string_view kBreak = "\u200B";

bool begins_control_token(std::string_view text) {
  for (const std::string_view token : kControlTokens) {
    if (text.starts_with(token)) return true;
  }
  return false;
}

}  // namespace

std::string neutralise_control_tokens(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (text[i] == '<' && begins_control_token(text.substr(i))) out += kBreak;
  }
  return out;
}

}  // namespace octavo
