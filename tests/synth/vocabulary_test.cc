#include "synth/vocabulary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "fixtures.h"
#include "synth/shapes.h"
#include "synth/side_files.h"
#include "text/tokenizer.h"

namespace octavo::synth {
namespace {

constexpr int64_t kFullSize = 262144;

std::shared_ptr<const Tokenizer> tokenizer_of(int64_t size) {
  const TempFolder folder;
  nlohmann::json config = config_like("26b-a4b");
  config["text_config"]["vocab_size"] = size;
  write_side_files(folder.path(), ModelConfig::parse(config, "config"));
  return Tokenizer::load(folder.path());
}

void expect_round_trips(const Tokenizer& tokenizer) {
  for (const std::string text :
       {"", " ", "a", "The quick brown fox  jumps\n\n\tover 13 lazy dogs.", "ÀÖ ßø Ωmega Привет",
        "今日は天気がいい", "\xF0\x9F\x98\x80 and \xF0\x9F\x91\xA9",
        "<table> & \"quotes\" \\ <unused7>", "   indented\r\n\t\t\tcode();\n\n\n\n"}) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  }
  std::string all;
  for (int c = 1; c < 0x80; ++c) all += static_cast<char>(c);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(all)), all);
}

TEST(VocabularyTest, FullSizeHasTheOriginalsIdsAndAsManyMerges) {
  const Vocabulary vocabulary = make_vocabulary(kFullSize);
  ASSERT_EQ(std::ssize(vocabulary.tokens), kFullSize);
  EXPECT_NEAR(static_cast<double>(vocabulary.merges.size()), 514906, 5000);
  EXPECT_EQ(vocabulary.special.size(), 24u);
  const std::vector<std::pair<int, std::string>> known = {
      {0, "<pad>"},         {2, "<bos>"},          {50, "<|tool_response>"},
      {52, "<|\"|>"},       {98, "<|think|>"},     {105, "<|turn>"},
      {106, "<turn|>"},     {107, "\n"},           {137, std::string(31, '\n')},
      {138, "▁▁"},          {238, "<0x00>"},       {493, "<0xFF>"},
      {236743, "▁"},        {255968, "\t"},        {255998, std::string(31, '\t')},
      {255999, "<|image>"}, {258884, "<|video|>"}, {262143, "<unused262143>"}};
  for (const auto& [id, token] : known)
    EXPECT_EQ(vocabulary.tokens[static_cast<size_t>(id)], token);
}

TEST(VocabularyTest, TokensDifferAndMergesLeadToTokens) {
  for (const int64_t size :
       {kMinVocabulary, int64_t{600}, int64_t{2048}, int64_t{40000}, kFullSize}) {
    const Vocabulary vocabulary = make_vocabulary(size);
    const std::set<std::string> distinct(vocabulary.tokens.begin(), vocabulary.tokens.end());
    EXPECT_EQ(std::ssize(distinct), size);
    for (const auto& [left, right] : vocabulary.merges) {
      ASSERT_TRUE(distinct.contains(vocabulary.tokens[static_cast<size_t>(left)] +
                                    vocabulary.tokens[static_cast<size_t>(right)]));
    }
  }
}

TEST(VocabularyTest, FullSizeLoadsAndTextSurvives) {
  const auto tokenizer = tokenizer_of(kFullSize);
  EXPECT_EQ(tokenizer->vocab_size(), kFullSize);
  EXPECT_EQ(tokenizer->encode("<|turn>"), std::vector<int32_t>{105});
  EXPECT_EQ(tokenizer->encode("\n\n\n"), std::vector<int32_t>{109});
  const std::string text = "Pieces of several letters keep the number of tokens realistic";
  EXPECT_LT(tokenizer->encode(text).size(), text.size() / 2);
  expect_round_trips(*tokenizer);
}

TEST(VocabularyTest, SmallSizesLoadAndTextSurvives) {
  for (const int64_t size : {kMinVocabulary, int64_t{600}, int64_t{2048}}) {
    const auto tokenizer = tokenizer_of(size);
    EXPECT_EQ(tokenizer->vocab_size(), size);
    EXPECT_EQ(tokenizer->id("<|video|>"), size - 1);
    expect_round_trips(*tokenizer);
  }
}

}  // namespace
}  // namespace octavo::synth
