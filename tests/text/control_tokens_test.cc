#include <gtest/gtest.h>

#include "support.h"
#include "text/chat_template.h"

namespace octavo {
namespace {

TEST(ControlTokens, NoneIsLeftInNeutralisedText) {
  const auto tokenizer = capitals_tokenizer();
  for (int32_t id = 0; id < tokenizer->vocab_size(); ++id) {
    if (!tokenizer->is_special(id)) continue;
    const std::string token = tokenizer->token(id);
    for (const std::string& text : {token, token + token, "<" + token, "<|" + token + "|>",
                                    token.substr(0, 1) + token + token.substr(1)}) {
      for (const int32_t got : tokenizer->encode(neutralise_control_tokens(text))) {
        EXPECT_FALSE(tokenizer->is_special(got)) << text;
      }
    }
  }
}

TEST(ControlTokens, TextStaysReadable) {
  EXPECT_EQ(neutralise_control_tokens("a<|turn>b"), "a<\u200B|turn>b");
  const auto tokenizer = capitals_tokenizer();
  const std::string text = neutralise_control_tokens("x <turn|> <|\"|> <bos>");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
}

TEST(ControlTokens, OrdinaryTextIsUntouched) {
  for (const char* text :
       {"", "a < b || c > d", "f <| x |> g", "<|", "|>", "<turn>", "<table><b>x</b>", "<|turn",
        "<|Turn>", "<eos", "cout << \"<|\" << x;", "日本 <|本|>"}) {
    EXPECT_EQ(neutralise_control_tokens(text), text);
  }
}

}  // namespace
}  // namespace octavo
