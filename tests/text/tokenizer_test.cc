#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "octavo/error.h"
#include "support.h"

namespace octavo {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kTexts[] = {
    "",
    "Hello, world!",
    " leading and trailing  ",
    "line1\n\nline2\n\n\n",
    "tab\tx\t\ty\r\n",
    "café naïve Ångström ẞ",
    "日本語の文章 中文字符 한국어",
    "Привет, мир! Καλημέρα שלום مرحبا हिन्दी ไทย",
    "🙂👩‍👩‍👧🏳️‍🌈 ∑∫√ ⅷ",
    "    def f(x):\n        return x\n",
    "3.14159 2026 -1e-05",
};

std::string capitals_json() {
  std::ifstream file(std::string(OCTAVO_SOURCE_DIR) + "/models/capitals/tokenizer.json");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Expects that the changed file of the demonstration model is refused with `reason`.
template <typename Change>
void expect_refused(const Change& change, const std::string& reason) {
  json file = json::parse(capitals_json());
  change(file);
  try {
    Tokenizer::parse(file.dump(), "x.json");
    FAIL() << "accepted, expected: " << reason;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadFile);
    EXPECT_THAT(error.what(), testing::StartsWith("x.json: "));
    EXPECT_THAT(error.what(), HasSubstr(reason));
  }
}

TEST(Tokenizer, ControlTokensBecomeTheirIds) {
  const auto tokenizer = capitals_tokenizer();
  EXPECT_THAT(tokenizer->encode("<bos><|turn>\n<turn|>"), ElementsAre(2, 105, 107, 106));
  EXPECT_THAT(tokenizer->encode("<|\"|>"), ElementsAre(52));
  EXPECT_TRUE(tokenizer->is_special(105));
  EXPECT_FALSE(tokenizer->is_special(107));
}

TEST(Tokenizer, AddsNothing) {
  EXPECT_TRUE(capitals_tokenizer()->encode("").empty());
  EXPECT_THAT(capitals_tokenizer()->encode("\n"), ElementsAre(107));
}

TEST(Tokenizer, NamesAndIdsBelongTogether) {
  const auto tokenizer = capitals_tokenizer();
  EXPECT_EQ(tokenizer->vocab_size(), 2048);
  for (int32_t id = 0; id < tokenizer->vocab_size(); ++id) {
    ASSERT_EQ(tokenizer->id(tokenizer->token(id)), id);
  }
  EXPECT_EQ(tokenizer->id("no such entry"), std::nullopt);
}

TEST(Tokenizer, IdsOutOfRangeAreNothing) {
  const auto tokenizer = capitals_tokenizer();
  for (const int32_t id : {-1, 2048, INT32_MAX, INT32_MIN}) {
    EXPECT_EQ(tokenizer->token(id), "");
    EXPECT_FALSE(tokenizer->is_special(id));
    EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{id}), "");
  }
}

TEST(Tokenizer, TextSurvivesTheRoundTrip) {
  const auto tokenizer = capitals_tokenizer();
  for (const char* text : kTexts) EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
}

TEST(Tokenizer, SpecialTokensAreDecodedOnRequest) {
  const auto tokenizer = capitals_tokenizer();
  const auto ids = tokenizer->encode("<|turn>user\nHi<turn|>");
  EXPECT_EQ(tokenizer->decode(ids), "user\nHi");
  EXPECT_EQ(tokenizer->decode(ids, true), "<|turn>user\nHi<turn|>");
}

TEST(Tokenizer, InvalidUtf8IsReplaced) {
  const auto tokenizer = capitals_tokenizer();
  EXPECT_EQ(tokenizer->encode("a\xFF\xE6\x97z"), tokenizer->encode("a\uFFFD\uFFFDz"));
  EXPECT_EQ(tokenizer->encode(std::string_view("a\0b", 3)).size(), 3u);
}

TEST(Tokenizer, RefusesDamagedFiles) {
  EXPECT_THROW(Tokenizer::parse("", "x.json"), Error);
  EXPECT_THROW(Tokenizer::parse("{", "x.json"), Error);
  EXPECT_THROW(Tokenizer::parse("[]", "x.json"), Error);
  EXPECT_THROW(Tokenizer::parse("\xFF\xFE{}", "x.json"), Error);
  EXPECT_THROW(Tokenizer::parse(std::string(100000, '['), "x.json"), Error);
  expect_refused([](json& file) { file.erase("model"); }, "not a tokenizer");
  expect_refused([](json& file) { file["model"]["vocab"] = json::object(); }, "");
}

TEST(Tokenizer, RefusesIdsOutOfRange) {
  expect_refused([](json& file) { file["model"]["vocab"]["extra"] = 4000000000u; },
                 "expected ids below");
  expect_refused([](json& file) { file["model"]["vocab"]["extra"] = -1; }, "not a tokenizer");
  expect_refused([](json& file) { file["model"]["vocab"]["extra"] = 107; }, "share the id 107");
}

TEST(Tokenizer, RefusesMergesOfUnknownTokens) {
  expect_refused([](json& file) { file["model"]["merges"].push_back({"nowhere", "x"}); },
                 "not a tokenizer");
  expect_refused([](json& file) { file["model"]["merges"].push_back({"x"}); }, "not a tokenizer");
}

TEST(Tokenizer, RefusesVocabulariesWithoutControlTokens) {
  expect_refused(
      [](json& file) {
        file["added_tokens"].erase(file["added_tokens"].size() - 1);
        for (json& token : file["added_tokens"]) {
          if (token["content"] == "<|turn>") token["content"] = "<|tern>";
        }
        file["model"]["vocab"].erase("<|turn>");
        file["model"]["vocab"]["<|tern>"] = 105;
      },
      "no token <|turn>");
  expect_refused([](json& file) { file["added_tokens"] = json::array(); }, "added_tokens");
}

TEST(Tokenizer, NamesAMissingFile) {
  try {
    Tokenizer::load("/nonexistent");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_THAT(error.what(), HasSubstr("/nonexistent/tokenizer.json"));
  }
}

std::string streamed(const std::shared_ptr<const Tokenizer>& tokenizer,
                     const std::vector<int32_t>& ids) {
  Detokenizer detokenizer(tokenizer);
  std::string text;
  for (const int32_t id : ids) text += detokenizer.push(id);
  return text + detokenizer.flush();
}

TEST(Detokenizer, PiecesJoinToTheWhole) {
  const auto tokenizer = capitals_tokenizer();
  for (const char* text : kTexts) {
    EXPECT_EQ(streamed(tokenizer, tokenizer->encode(text)), text);
    EXPECT_EQ(streamed(tokenizer, byte_ids(*tokenizer, text)), text);
  }
}

TEST(Detokenizer, RandomIdsJoinToTheWhole) {
  const auto tokenizer = capitals_tokenizer();
  std::mt19937 random(3);
  for (int run = 0; run < 300; ++run) {
    std::vector<int32_t> ids(1 + random() % 60);
    const bool bytes_only = run % 2 == 0;
    for (int32_t& id : ids) {
      id = static_cast<int32_t>(bytes_only ? 238 + random() % 256 : random() % 2048);
    }
    ASSERT_EQ(streamed(tokenizer, ids), tokenizer->decode(ids));
  }
}

TEST(Detokenizer, HoldsBackIncompleteCharacters) {
  const auto tokenizer = capitals_tokenizer();
  Detokenizer detokenizer(tokenizer);
  const auto ids = byte_ids(*tokenizer, "日x\xF0\x9F");
  EXPECT_EQ(detokenizer.push(ids[0]), "");
  EXPECT_EQ(detokenizer.push(ids[1]), "");
  EXPECT_EQ(detokenizer.push(ids[2]), "日");
  EXPECT_EQ(detokenizer.push(ids[3]), "x");
  EXPECT_EQ(detokenizer.push(ids[4]), "");
  EXPECT_EQ(detokenizer.push(ids[5]), "");
  EXPECT_EQ(detokenizer.flush(), "\uFFFD");
  EXPECT_EQ(detokenizer.flush(), "");
}

}  // namespace
}  // namespace octavo
