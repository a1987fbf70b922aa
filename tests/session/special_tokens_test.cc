#include "session/special_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace octavo {
namespace {

class SpecialTokensTest : public testing::Test {
 protected:
  std::shared_ptr<const Tokenizer> tokenizer_ =
      Tokenizer::load(std::string(OCTAVO_SOURCE_DIR) + "/models/capitals");
  SpecialTokens find(std::vector<int32_t> eos, int64_t vocab_size) const {
    return SpecialTokens::find(*tokenizer_, eos, vocab_size);
  }
};

TEST_F(SpecialTokensTest, StopsAreTheConfiguredOnesAndThoseOfTheChatFormat) {
  const SpecialTokens tokens = find({300, -1, 5'000'000, 300}, tokenizer_->vocab_size());
  for (const char* name : {"<eos>", "<turn|>", "<|tool_response>"}) {
    EXPECT_TRUE(tokens.is_stop(tokenizer_->id(name).value())) << name;
  }
  EXPECT_TRUE(tokens.is_stop(300));
  EXPECT_FALSE(tokens.is_stop(301));
  EXPECT_EQ(tokens.stop.size(), 4u);
}

TEST_F(SpecialTokensTest, IdsBeyondTheModelsVocabularyAreLeftOut) {
  EXPECT_EQ(find({}, tokenizer_->vocab_size()).media.size(), 7u);
  const SpecialTokens none = find({}, 1);
  EXPECT_TRUE(none.media.empty());
  EXPECT_TRUE(none.stop.empty());
  EXPECT_FALSE(none.channel_close.has_value());
}

TEST_F(SpecialTokensTest, APromptMayEndInsideAThought) {
  const SpecialTokens tokens = find({}, tokenizer_->vocab_size());
  const auto ends = [&](const char* text) {
    return tokens.ends_in_channel(tokenizer_->encode(text));
  };
  EXPECT_FALSE(ends("Hi"));
  EXPECT_TRUE(ends("<|turn>model\n<|channel>thought\n"));
  EXPECT_FALSE(ends("<|turn>model\n<|channel>thought\n<channel|>"));
  EXPECT_TRUE(ends("<|channel>a<channel|>b<|channel>c"));
}

}  // namespace
}  // namespace octavo
