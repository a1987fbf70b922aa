// The known renders of Gemma 4's chat format, by the built-in template.
#include <gtest/gtest.h>

#include "text/chat_template.h"

namespace octavo {
namespace {

using Json = nlohmann::ordered_json;

const std::string kPrompt = "<|turn>model\n";
const std::string kEmptyThought = "<|channel>thought\n<channel|>";
const std::string kHi = "<bos><|turn>user\nHi<turn|>\n";
const std::string kThinkingHi = "<bos><|turn>system\n<|think|>\n<turn|>\n<|turn>user\nHi<turn|>\n";
const std::string kCall =
    "<|tool_call>call:get_weather{city:<|\"|>Paris<|\"|>,l:[<|\"|>x<|\"|>,1],n:3,"
    "o:{k:<|\"|>v<|\"|>},ok:true,z:null}<tool_call|>";
const std::string kResponse =
    "<|tool_response>response:get_weather{value:<|\"|>20C<|\"|>}<tool_response|>";

Json user(const Json& content) {
  return {{"role", "user"}, {"content", content}};
}
Json assistant(const Json& content) {
  return {{"role", "assistant"}, {"content", content}};
}
Json text(const char* words) {
  return {{"type", "text"}, {"text", words}};
}
Json image() {
  return {{"type", "image"}};
}
Json tool_message() {
  return {{"role", "tool"}, {"tool_call_id", "c1"}, {"content", "20C"}};
}

Json pending_call() {
  return Json::parse(R"({"role": "assistant", "content": null, "tool_calls": [{"id": "c1",
    "type": "function", "function": {"name": "get_weather", "arguments":
    {"city": "Paris", "n": 3, "ok": true, "l": ["x", 1], "o": {"k": "v"}, "z": null}}}]})");
}

Json function(const Json& description) {
  return {{"type", "function"}, {"function", description}};
}

Json weather_tool() {
  return function(Json::parse(R"({"name": "get_weather", "description": "Get weather",
    "parameters": {"type": "object", "properties": {
      "city": {"type": "string", "description": "City name"},
      "days": {"type": "integer", "nullable": true},
      "opt": {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]},
      "tags": {"type": "array", "items": {"type": "string"}},
      "unit": {"type": "string", "enum": ["c", "f"]}}, "required": ["city"]}})"));
}

std::string render(const Json& messages, bool thinking = false, const Json& tools = nullptr,
                   bool generate = true) {
  static const auto builtin = ChatTemplate::load("/nonexistent");
  ChatRequest request;
  request.messages = messages;
  request.tools = tools;
  request.enable_thinking = thinking;
  request.add_generation_prompt = generate;
  return builtin->render(request);
}

TEST(GoldenRenders, Plain) {
  EXPECT_EQ(render(Json::array({user("Hi")})), kHi + kPrompt + kEmptyThought);
}

TEST(GoldenRenders, Thinking) {
  EXPECT_EQ(render(Json::array({user("Hi")}), true), kThinkingHi + kPrompt);
}

TEST(GoldenRenders, SystemMessage) {
  EXPECT_EQ(
      render({{{"role", "system"}, {"content", " You are helpful. "}}, user(" Hi ")}, true),
      "<bos><|turn>system\n<|think|>\nYou are helpful.<turn|>\n<|turn>user\nHi<turn|>\n" + kPrompt);
}

TEST(GoldenRenders, HistoryWithoutThoughts) {
  EXPECT_EQ(render({user("A"), assistant("<|channel>thought\nxx<channel|> ans "), user("B")}),
            "<bos><|turn>user\nA<turn|>\n<|turn>model\nans<turn|>\n<|turn>user\nB<turn|>\n" +
                kPrompt + kEmptyThought);
}

TEST(GoldenRenders, Image) {
  EXPECT_EQ(render(Json::array({user(Json::array({image(), text(" What? ")}))})),
            "<bos><|turn>user\n<|image|>What?<turn|>\n" + kPrompt + kEmptyThought);
}

TEST(GoldenRenders, TwoImages) {
  const Json content = Json::array({text("A "), image(), text(" and "), image()});
  EXPECT_EQ(render(Json::array({user(content)})),
            "<bos><|turn>user\nA<|image|>and<|image|><turn|>\n" + kPrompt + kEmptyThought);
}

TEST(GoldenRenders, ToolDeclaration) {
  EXPECT_EQ(
      render(Json::array({user("Hi")}), false, Json::array({weather_tool()})),
      "<bos><|turn>system\n<|tool>declaration:get_weather{description:<|\"|>Get weather<|\"|>,"
      "parameters:{properties:{city:{description:<|\"|>City name<|\"|>,"
      "type:<|\"|>STRING<|\"|>},days:{nullable:true,type:<|\"|>INTEGER<|\"|>},"
      "opt:{properties:{a:{type:<|\"|>NUMBER<|\"|>}},required:[<|\"|>a<|\"|>],"
      "type:<|\"|>OBJECT<|\"|>},tags:{items:{type:<|\"|>STRING<|\"|>},"
      "type:<|\"|>ARRAY<|\"|>},unit:{enum:[<|\"|>c<|\"|>,<|\"|>f<|\"|>],"
      "type:<|\"|>STRING<|\"|>}},required:[<|\"|>city<|\"|>],type:<|\"|>OBJECT<|\"|>}}<tool|>"
      "<turn|>\n<|turn>user\nHi<turn|>\n" +
          kPrompt + kEmptyThought);
}

TEST(GoldenRenders, ToolsWithoutParameters) {
  const std::string rest = "<turn|>\n<|turn>user\nHi<turn|>\n" + kPrompt + kEmptyThought;
  const Json bare = function({{"name", "f"}, {"description", "d"}});
  EXPECT_EQ(render(Json::array({user("Hi")}), false, Json::array({bare})),
            "<bos><|turn>system\n<|tool>declaration:f{description:<|\"|>d<|\"|>}<tool|>" + rest);
  const Json empty = function(Json::parse(
      R"({"name":"f","description":"d","parameters":{"type":"object","properties":{}}})"));
  EXPECT_EQ(render(Json::array({user("Hi")}), false, Json::array({empty})),
            "<bos><|turn>system\n<|tool>declaration:f{description:<|\"|>d<|\"|>,"
            "parameters:{type:<|\"|>OBJECT<|\"|>}}<tool|>" +
                rest);
}

TEST(GoldenRenders, PendingCall) {
  EXPECT_EQ(render({user("Hi"), pending_call()}), kHi + kPrompt + kCall + "<|tool_response>");
}

TEST(GoldenRenders, ToolResponse) {
  const Json messages = {user("Hi"), pending_call(), tool_message()};
  EXPECT_EQ(render(messages), kHi + kPrompt + kCall + kResponse);
  EXPECT_EQ(render(messages, true),
            kThinkingHi + kPrompt + kCall + kResponse + "<|channel>thought\n");
}

TEST(GoldenRenders, AnswerAfterAResponse) {
  EXPECT_EQ(
      render({user("Hi"), pending_call(), tool_message(), assistant("It is 20C."), user("thx")}),
      kHi + kPrompt + kCall + kResponse + "It is 20C.<turn|>\n<|turn>user\nthx<turn|>\n" + kPrompt +
          kEmptyThought);
}

TEST(GoldenRenders, ReasoningBeforeACall) {
  Json call = pending_call();
  call["reasoning"] = "RR";
  EXPECT_EQ(
      render({user("Hi"), call}, true),
      kThinkingHi + kPrompt + "<|channel>thought\nRR\n<channel|>" + kCall + "<|tool_response>");
}

TEST(GoldenRenders, AdjacentAnswers) {
  EXPECT_EQ(render({user("Hi"), assistant("a1"), assistant("a2")}, false, nullptr, false),
            kHi + kPrompt + "a1a2<turn|>\n");
}

}  // namespace
}  // namespace octavo
