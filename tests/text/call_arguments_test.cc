#include <gtest/gtest.h>

#include "octavo/error.h"
#include "text/output_parser.h"
#include "text/tool_call.h"

namespace octavo {
namespace {

using Json = nlohmann::ordered_json;

void expect_arguments(const std::string& text, const char* expected) {
  SCOPED_TRACE(text);
  EXPECT_EQ(parse_call_arguments(text).dump(), Json::parse(expected).dump());
}

void expect_refused(const std::string& text) {
  try {
    FAIL() << text << " gave " << parse_call_arguments(text).dump();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadRequest);
  }
}

TEST(CallArguments, TheLanguageOfTheTemplate) {
  expect_arguments("{}", "{}");
  expect_arguments("{city:<|\"|>Paris<|\"|>}", R"({"city":"Paris"})");
  expect_arguments(
      "{city:<|\"|>Paris<|\"|>,l:[<|\"|>x<|\"|>,1],n:3,o:{k:<|\"|>v<|\"|>},ok:true,z:null}",
      R"({"city":"Paris","l":["x",1],"n":3,"o":{"k":"v"},"ok":true,"z":null})");
  expect_arguments("{a:{},b:[],c:[[],[{}]]}", R"({"a":{},"b":[],"c":[[],[{}]]})");
  expect_arguments("{b:1,a:2}", R"({"b":1,"a":2})");
}

TEST(CallArguments, MarkedStringsHoldAnything) {
  expect_arguments("{a:<|\"|>}{,:]\"'[<|\"|>,b:<|\"|><|\"|>}", R"({"a":"}{,:]\"'[","b":""})");
  expect_arguments("{a:<|\"|>line\nline \\n \xE6\x97\xA5<|\"|>}", R"({"a":"line\nline \\n 日"})");
  expect_arguments("{<|\"|>a b<|\"|>:<|\"|>x<|\"|>}", R"({"a b":"x"})");
}

TEST(CallArguments, Numbers) {
  expect_arguments("{a:-7,b:0,c:1.5,d:1e-05,e:-2.5E3,f:20.0}",
                   R"({"a":-7,"b":0,"c":1.5,"d":1e-05,"e":-2500.0,"f":20.0})");
  expect_arguments(
      "{a:9223372036854775807,b:-9223372036854775808,c:18446744073709551615}",
      R"({"a":9223372036854775807,"b":-9223372036854775808,"c":18446744073709551615})");
  expect_arguments("{a:18446744073709551616,b:1e999}",
                   R"({"a":"18446744073709551616","b":"1e999"})");
  expect_arguments("{a:007,b:+5,c:1.,d:.5,e:-,f:0x10,g:1_000}",
                   R"({"a":"007","b":"+5","c":"1.","d":".5","e":"-","f":"0x10","g":"1_000"})");
}

TEST(CallArguments, BareWords) {
  expect_arguments("{a:true,b:false,c:null,d:None,e:True}",
                   R"({"a":true,"b":false,"c":null,"d":null,"e":"True"})");
  expect_arguments("{ a : two words , b:it's, c: }", R"({"a":"two words","b":"it's","c":""})");
  expect_arguments("{url:https://example.org/x?y=1}", R"({"url":"https://example.org/x?y=1"})");
}

TEST(CallArguments, QuotedStrings) {
  expect_arguments(R"({"city": "Paris", 'n': 'x'})", R"({"city":"Paris","n":"x"})");
  expect_arguments(R"({a:"}{",b:['],[', "]"]})", R"({"a":"}{","b":["],[","]"]})");
  expect_arguments(R"({a:"say \"hi\"\n",b:"\u65e5\ud83d\ude42\ud800",c:"C:\q"})",
                   R"({"a":"say \"hi\"\n","b":"日🙂\ufffd","c":"C:\\q"})");
  expect_arguments(R"({a:"he said "no" twice"})", R"({"a":"he said \"no\" twice"})");
  expect_arguments(R"({a:'tis,b:1})", R"({"a":"'tis","b":1})");
}

TEST(CallArguments, MissingMarks) {
  expect_arguments("{city:<|\"|>Paris}", R"({"city":"Paris"})");
  expect_arguments("{a:1,l:[{c:<|\"|>x, y}] }", R"({"a":1,"l":[{"c":"x, y"}]})");
  expect_arguments("{city:Paris<|\"|>,n:1}", R"({"city":"Paris","n":1})");
  expect_refused("{city:<|\"|>Paris");
  expect_refused("{l:[<|\"|>x}");
}

TEST(CallArguments, TrailingCommas) {
  expect_arguments("{a:[1,2,],}", R"({"a":[1,2]})");
}

TEST(CallArguments, RepeatedKeysKeepTheLast) {
  expect_arguments("{a:1,a:2}", R"({"a":2})");
}

TEST(CallArguments, RefusesMalformedText) {
  for (const char* text : {"", "a:1", "{", "{a", "{a:", "{a:1", "{a:1]", "{a:[1}", "{:1}", "{a b}",
                           "{a:1}}", "{a:1} x", "{,}", "{a:{b:1}", "[1]", "{a:x<|\"|>y}",
                           "{a:<|\"|>x<|\"|>y}", "{a:<|\"|>x<|\"|><|\"|>y<|\"|>}"}) {
    expect_refused(text);
  }
}

TEST(CallArguments, LimitsDepthAndMembers) {
  const auto nested = [](size_t depth) {
    return "{a:" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_NO_THROW(parse_call_arguments(nested(63)));
  expect_refused(nested(64));
  expect_refused("{a:" + std::string(100000, '['));
  std::string members = "{";
  for (int i = 0; i < 5000; ++i) members += "k" + std::to_string(i) + ":1,";
  expect_refused(members + "}");
}

// Each of these took quadratic time in a parser that looks for the end of every quote anew.
TEST(CallArguments, HostileTextIsLinear) {
  std::string quotes = "{a:[";
  for (int i = 0; i < 200000; ++i) quotes += "'x,";
  EXPECT_EQ(parse_call_arguments(quotes + "]}")["a"].size(), 200000u);
}

TEST(ToolCall, ReadsNameAndArguments) {
  const ParsedToolCall call = parse_tool_call("call:mcp.files:read-file{path:<|\"|>a{b<|\"|>}");
  EXPECT_EQ(call.status, ParsedToolCall::Status::kOk);
  EXPECT_EQ(call.name, "mcp.files:read-file");
  EXPECT_EQ(call.arguments.dump(), R"({"path":"a{b"})");
  EXPECT_EQ(call.raw, "call:mcp.files:read-file{path:<|\"|>a{b<|\"|>}");
}

TEST(ToolCall, ToleratesSlips) {
  EXPECT_EQ(parse_tool_call(" call:f {a:1} \n").name, "f");
  EXPECT_EQ(parse_tool_call("f{a:1}").arguments.dump(), R"({"a":1})");
  EXPECT_EQ(parse_tool_call("call:now").arguments.dump(), "{}");
}

TEST(ToolCall, SaysWhatIsWrong) {
  const ParsedToolCall broken = parse_tool_call("call:f{a:[1}");
  EXPECT_EQ(broken.status, ParsedToolCall::Status::kParseError);
  EXPECT_EQ(broken.name, "f");
  EXPECT_EQ(broken.arguments, "{a:[1}");
  EXPECT_FALSE(broken.error.empty());
  for (const char* text : {"", "call:", "call:{a:1}", "{}"}) {
    EXPECT_EQ(parse_tool_call(text).status, ParsedToolCall::Status::kMissingName) << text;
  }
}

}  // namespace
}  // namespace octavo
