#include "text/output_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "support.h"

namespace octavo {
namespace {

using testing::HasSubstr;
using Status = ParsedToolCall::Status;

struct Options {
  bool in_reasoning = false;
  bool tools_offered = true;
};

void append(ParsedOutput& whole, ParsedOutput part) {
  whole.text += part.text;
  whole.reasoning += part.reasoning;
  for (ParsedToolCall& call : part.tool_calls) whole.tool_calls.push_back(std::move(call));
}

ParsedOutput parse_ids(const std::vector<int32_t>& ids, Options options = {}) {
  OutputParser parser(capitals_tokenizer(), options.in_reasoning, options.tools_offered);
  ParsedOutput whole;
  for (const int32_t id : ids) append(whole, parser.push(id));
  append(whole, parser.finish());
  return whole;
}

/// The control tokens of `text` as their ids, the rest as byte tokens.
std::vector<int32_t> finest_ids(const std::string& text) {
  const auto tokenizer = capitals_tokenizer();
  std::vector<int32_t> ids;
  for (const int32_t id : tokenizer->encode(text)) {
    const bool whole = tokenizer->is_special(id) || tokenizer->token(id).starts_with("<0x");
    const std::vector<int32_t> pieces =
        whole ? std::vector{id} : byte_ids(*tokenizer, tokenizer->decode(std::vector{id}));
    ids.insert(ids.end(), pieces.begin(), pieces.end());
  }
  return ids;
}

std::string shown(const ParsedOutput& output) {
  std::string text = "[" + output.reasoning + "][" + output.text + "]";
  for (const ParsedToolCall& call : output.tool_calls) {
    text += call.name + call.arguments.dump();
    if (call.status == Status::kParseError) text += "!";
    if (call.status == Status::kMissingName) text += "?";
  }
  return text;
}

/// What the parser makes of `text`, which must not depend on how it is cut into tokens.
std::string parsed(const std::string& text, Options options = {}) {
  const std::string coarse = shown(parse_ids(capitals_tokenizer()->encode(text), options));
  EXPECT_EQ(shown(parse_ids(finest_ids(text), options)), coarse) << text;
  return coarse;
}

TEST(OutputParser, PlainText) {
  EXPECT_EQ(parsed("Hello, 日本 🙂!<turn|>"), "[][Hello, 日本 🙂!]");
  EXPECT_EQ(parsed(""), "[][]");
  EXPECT_EQ(parsed("\n x \n"), "[][\n x \n]");
}

TEST(OutputParser, ThoughtThenAnswer) {
  EXPECT_EQ(parsed("<|channel>thought\nLet me\nsee.\n<channel|>\n\nParis.<turn|>"),
            "[Let me\nsee.][Paris.]");
  EXPECT_EQ(parsed("<|channel>thought\nno newline<channel|>x"), "[no newline][x]");
  EXPECT_EQ(parsed("<|channel>thought\n\n\ntwo\n\n<channel|>x"), "[\n\ntwo\n][x]");
}

TEST(OutputParser, PromptThatEndsInAThought) {
  EXPECT_EQ(parsed("see.\n<channel|>Paris.", {.in_reasoning = true}), "[see.][Paris.]");
  EXPECT_EQ(parsed("analysis\nx<channel|>", {.in_reasoning = true}), "[analysis\nx][]");
}

TEST(OutputParser, EmptyThoughtsAreStripped) {
  EXPECT_EQ(parsed("<|channel>thought\n<channel|>Hi"), "[][Hi]");
  EXPECT_EQ(parsed("<|channel>thought<channel|>Hi"), "[][Hi]");
  EXPECT_EQ(parsed("<|channel>thought\n \n\n<channel|> Hi"), "[][Hi]");
  EXPECT_EQ(parsed("<|channel><channel|>Hi"), "[][Hi]");
}

TEST(OutputParser, OtherLabelsAndNone) {
  EXPECT_EQ(parsed("<|channel>analysis\nx<channel|>y"), "[x][y]");
  EXPECT_EQ(parsed("<|channel>The user asks\nthis.<channel|>y"), "[The user asks\nthis.][y]");
  EXPECT_EQ(parsed("<|channel>hm<channel|>y"), "[hm][y]");
}

TEST(OutputParser, UnfinishedThought) {
  EXPECT_EQ(parsed("<|channel>thought\nstill thin"), "[still thin][]");
  EXPECT_EQ(parsed("<|channel>thought\na<turn|>"), "[a][]");
  EXPECT_EQ(parsed("<|channel>thought\na<|channel>thought\nb<channel|>c"), "[ab][c]");
}

TEST(OutputParser, ReasoningIsLive) {
  const auto tokenizer = capitals_tokenizer();
  OutputParser parser(tokenizer);
  for (const int32_t id : tokenizer->encode("<|channel>thought\n")) {
    EXPECT_EQ(parser.push(id).reasoning, "");
  }
  EXPECT_TRUE(parser.in_reasoning());
  EXPECT_EQ(parser.reasoning_tokens(), 0);
  std::string reasoning;
  int64_t count = 0;
  for (const int32_t id : tokenizer->encode("France is")) {
    const std::string delta = parser.push(id).reasoning;
    EXPECT_NE(delta, "");
    reasoning += delta;
    EXPECT_EQ(parser.reasoning_tokens(), ++count);
  }
  EXPECT_EQ(reasoning, "France is");
  parser.push(*tokenizer->id("<channel|>"));
  EXPECT_FALSE(parser.in_reasoning());
  parser.push(*tokenizer->id("\n"));
  EXPECT_EQ(parser.reasoning_tokens(), count);
}

TEST(OutputParser, ToolCalls) {
  EXPECT_EQ(parsed("<|tool_call>call:get_weather{city:<|\"|>Paris<|\"|>,n:3}<tool_call|>"
                   "<|tool_response>"),
            R"([][]get_weather{"city":"Paris","n":3})");
  EXPECT_EQ(parsed("Wait.<|tool_call>call:a{}<tool_call|><|tool_call>call:b{x:[1]}<tool_call|>"),
            R"([][Wait.]a{}b{"x":[1]})");
  EXPECT_EQ(parsed("<|channel>thought\nhm\n<channel|><|tool_call>call:a{s:<|\"|>{\"}'<|\"|>}"
                   "<tool_call|>"),
            R"([hm][]a{"s":"{\"}'"})");
  EXPECT_EQ(parsed("<|channel>thought\nhm<|tool_call>call:a{}<tool_call|>done"), "[hm][done]a{}");
}

TEST(OutputParser, CallsArriveWithTheirClosingToken) {
  const auto tokenizer = capitals_tokenizer();
  OutputParser parser(tokenizer);
  for (const int32_t id : tokenizer->encode("<|tool_call>call:a{x:1}")) {
    EXPECT_TRUE(parser.push(id).tool_calls.empty());
  }
  const ParsedOutput output = parser.push(*tokenizer->id("<tool_call|>"));
  ASSERT_EQ(output.tool_calls.size(), 1u);
  EXPECT_EQ(output.tool_calls[0].raw, "call:a{x:1}");
}

TEST(OutputParser, CallsWithoutTheirTokens) {
  EXPECT_EQ(parsed("<|channel>thought\nhm\n<channel|>call:f{a:<|\"|>}<|\"|>}<tool_call|>"),
            R"([hm][]f{"a":"}"})");
  EXPECT_EQ(parsed("<|channel>thought\n<channel|>\ncall:f{a:1}call:g-h.i:j{}\n ok"),
            R"([][ok]f{"a":1}g-h.i:j{})");
  EXPECT_EQ(parsed(R"(call:f{a:"}",b:'{',c:it's})"), R"([][]f{"a":"}","b":"{","c":"it's"})");
  EXPECT_EQ(parsed("call:f{a:{b:[1]}} and more"), R"([][and more]f{"a":{"b":[1]}})");
  EXPECT_EQ(parsed("call:f{a:<|\"|>Paris}<tool_call|>x"), R"([][x]f{"a":"Paris"})");
}

TEST(OutputParser, TextThatOnlyLooksLikeACall) {
  for (const char* text : {"c", "call", "call:", "call: me", "  call me", "call:f", "call:f x{",
                           "calling:f{}", "Call:f{}", "I call:f{}", "call:{}", "cal\nl:f{}"}) {
    EXPECT_EQ(parsed(text), "[][" + std::string(text) + "]");
  }
  EXPECT_EQ(parsed("<|channel>thought\n<channel|>\n call: me"), "[][call: me]");
  EXPECT_EQ(parsed("call:f{a:1}", {.tools_offered = false}), "[][call:f{a:1}]");
}

TEST(OutputParser, BrokenCalls) {
  EXPECT_EQ(parsed("<|tool_call>call:f{a:<tool_call|>x"), R"([][x]f"{a:"!)");
  EXPECT_EQ(parsed("<|tool_call>call:f{a:1,b"), R"([][]f"{a:1,b"!)");
  EXPECT_EQ(parsed("<|tool_call><tool_call|>"), "[][]{}?");
  EXPECT_EQ(parsed("<channel|>call:f{a:1"), R"([][]f"{a:1"!)");
  EXPECT_EQ(parsed("<|tool_call>call:f{a:1"), R"([][]f"{a:1"!)");
}

TEST(OutputParser, CallsWhoseClosingTokenIsMissing) {
  EXPECT_EQ(parsed("<|tool_call>call:f{a:1}"), R"([][]f{"a":1})");
  EXPECT_EQ(parsed("<|tool_call>call:f{a:1}<turn|>"), R"([][]f{"a":1})");
  EXPECT_EQ(parsed("<|tool_call>call:f{}<|tool_response>"), "[][]f{}");
  EXPECT_EQ(parsed("<|tool_call>call:f{}<|tool_call>call:g{}<tool_call|>"), "[][]f{}g{}");
  EXPECT_EQ(parsed("<|tool_call>call:f{}<|channel>thought\nx<channel|>y"), "[x][y]f{}");
}

TEST(OutputParser, InventedBlocksAreSwallowed) {
  EXPECT_EQ(parsed("a<|tool_response>response:f{value:<|\"|>x<|\"|>}<tool_response|> b"), "[][ab]");
  EXPECT_EQ(parsed("<|tool>declaration:f{}<tool|>x"), "[][x]");
  EXPECT_EQ(parsed("<|tool_response>never closed"), "[][]");
}

TEST(OutputParser, MarkersWrittenAsTextAreText) {
  const auto tokenizer = capitals_tokenizer();
  const std::string text = "Use <|tool_call> and <turn|>, then <|channel>.";
  EXPECT_EQ(shown(parse_ids(byte_ids(*tokenizer, text))), "[][" + text + "]");
}

TEST(OutputParser, ControlTokensNeverShow) {
  EXPECT_EQ(parsed("a<bos>b<eos>"), "[][ab]");
  EXPECT_EQ(parsed("a<|\"|>b<|image|><image|><pad><|think|>c"), "[][abc]");
  EXPECT_EQ(parsed("<|channel>thought\na<|\"|>b<bos>c<channel|>"), "[abc][]");
}

TEST(OutputParser, CharactersCutByControlTokens) {
  const auto tokenizer = capitals_tokenizer();
  std::vector<int32_t> ids = byte_ids(*tokenizer, "a\xE6\x97");
  ids.push_back(*tokenizer->id("<|channel>"));
  EXPECT_EQ(shown(parse_ids(ids)), "[][a\uFFFD]");
}

TEST(OutputParser, RandomIdsGiveNoMarkers) {
  const auto tokenizer = capitals_tokenizer();
  std::vector<int32_t> control;
  for (int32_t id = 0; id < tokenizer->vocab_size(); ++id) {
    if (tokenizer->is_special(id)) control.push_back(id);
  }
  const auto words = tokenizer->encode("call:f{a:1,b:[2]} thought\n \n Paris");
  std::mt19937 random(11);
  for (int run = 0; run < 2000; ++run) {
    std::vector<int32_t> ids(random() % 80);
    for (int32_t& id : ids) {
      const auto& pool = random() % 4 == 0 ? control : words;
      id = pool[random() % pool.size()];
    }
    const ParsedOutput output = parse_ids(ids);
    for (const std::string* text : {&output.text, &output.reasoning}) {
      ASSERT_EQ(text->find("<|"), std::string::npos) << *text;
      ASSERT_EQ(text->find("|>"), std::string::npos) << *text;
    }
  }
}

}  // namespace
}  // namespace octavo
