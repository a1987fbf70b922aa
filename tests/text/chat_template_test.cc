#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <fstream>

#include "octavo/error.h"

namespace octavo {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;
using testing::StartsWith;

/// Renders `source` with the members of `variables`.
std::string rendered(const std::string& source, const Json& variables = Json::object()) {
  ChatRequest request;
  request.extra = variables;
  return ChatTemplate::parse(source, "t.jinja")->render(request);
}

std::string refusal(const std::string& source, const Json& variables = Json::object()) {
  try {
    return "rendered: " + rendered(source, variables).substr(0, 200);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadRequest);
    EXPECT_THAT(error.what(), StartsWith("t.jinja: "));
    return error.what() + std::string("t.jinja: ").size();
  }
}

// The expected texts of these tests are what Jinja2 3.1.6 prints with Python 3.11.

TEST(ChatTemplate, ToJsonIsPythons) {
  const Json value =
      Json::parse(R"({"b":"<a> & 'c' é\n\u0001\u007f\"\\","a":[1,2.0,1e-5,true,null,[],{}]})");
  const Json v = {{"v", value}};
  EXPECT_EQ(rendered("{{ v | tojson }}", v),
            "{\"b\": \"<a> & 'c' é\\n\\u0001\x7f\\\"\\\\\", "
            "\"a\": [1, 2.0, 1e-05, true, null, [], {}]}");
  EXPECT_EQ(rendered("{{ v | tojson(ensure_ascii=true, sort_keys=true, separators=(',', ':')) }}",
                     {{"v", {{"b", "é🙂"}, {"a", 1}}}}),
            R"({"a":1,"b":"\u00e9\ud83d\ude42"})");
  EXPECT_EQ(rendered("{{ v | tojson(indent=2) }}", {{"v", {{"a", {1, {{"b", 2}}}}, {"c", {}}}}}),
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ],\n  \"c\": null\n}");
}

TEST(ChatTemplate, FloatsPrintAsInPython) {
  const Json v = {{"v", {1e-5, 1e16, 1e100, 0.1, 2.0, -0.0, 123456.75}}};
  EXPECT_EQ(rendered("{% for x in v %}{{ x }} {% endfor %}", v),
            "1e-05 1e+16 1e+100 0.1 2.0 -0.0 123456.75 ");
  EXPECT_EQ(rendered("{{ v }} {{ 'x' ~ v[0] }} {{ v | join(',') }}", {{"v", {1.5, 1e-7}}}),
            "[1.5, 1e-07] x1.5 1.5,1e-07");
  EXPECT_EQ(rendered("{{ x is number }}{{ x is float }}{{ x is integer }}{{ x is iterable }}"
                     "{{ x is string }}{{ x is mapping }}{{ 'y' if z else 'n' }}",
                     {{"x", 1.5}, {"z", 0.0}}),
            "TrueTrueFalseFalseFalseFalsen");
}

TEST(ChatTemplate, IntegersKeepTheirDigits) {
  EXPECT_EQ(rendered("{{ a }} {{ b }} {{ a is integer }}", {{"a", UINT64_MAX}, {"b", INT64_MIN}}),
            "18446744073709551615 -9223372036854775808 True");
}

TEST(ChatTemplate, StripsWhatPythonStrips) {
  const Json v = {{"v", "\u001c\u3000 a\u001f b \u0085\u001d"}};
  EXPECT_EQ(rendered("[{{ v | trim }}][{{ v.strip() }}]", v), "[a\u001f b][a\u001f b]");
  EXPECT_EQ(rendered("[{{ 'xxaxx'.lstrip('x') }}][{{ 'xxaxx'.rstrip('x') }}]"), "[axx][xxa]");
  EXPECT_EQ(rendered("{{ v.split() }}", v), "['a', 'b']");
  EXPECT_EQ(rendered("{{ ' a  b  c '.split(none, 1) }}{{ 'a,b,c'.split(',', 1) }}"),
            "['a', 'b  c ']['a', 'b,c']");
}

TEST(ChatTemplate, HasPythonsMethods) {
  EXPECT_EQ(rendered("{{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} "
                     "{{ 'abc'.removeprefix('x') }}"),
            "bc ab abc");
  EXPECT_EQ(rendered("{{ 'a-b-c'.rsplit('-', 1) }}{{ ' a b  c '.rsplit(none, 1) }}"),
            "['a-b', 'c'][' a b', 'c']");
  EXPECT_EQ(rendered("{{ 'a=b=c'.partition('=')[2] }} {{ 'a=b=c'.rpartition('=')[0] }}"),
            "b=c a=b");
  EXPECT_EQ(rendered("{{ '日本x'.index('x') }}{{ ['a', 'b'].index('b') }}"), "21");
  EXPECT_THAT(refusal("{{ 'abc'.index('x') }}"), HasSubstr("substring not found"));
  EXPECT_EQ(rendered("{{ 'Ab'.upper() }}{{ {'a': 1}.items() | list }}{{ {'a': 1}.get('b', 2) }}"),
            "AB[('a', 1)]2");
}

TEST(ChatTemplate, RaisesTheTemplatesOwnMessage) {
  EXPECT_EQ(refusal("{{ raise_exception('Roles must alternate: ' ~ 1) }}"),
            "Roles must alternate: 1");
  EXPECT_EQ(refusal("{% macro m() %}{{ raise_exception('inside') }}{% endmacro %}{{ m() }}"),
            "inside");
  EXPECT_EQ(refusal("{% set x %}{{ raise_exception('in a block') }}{% endset %}"), "in a block");
}

TEST(ChatTemplate, FollowsTheWhiteSpaceSettings) {
  EXPECT_EQ(rendered("  {% if true %}\n  a\n  {% endif %}\nb\n"), "  a\nb");
}

TEST(ChatTemplate, MissingVariables) {
  EXPECT_EQ(rendered("[{{ missing }}]{% if missing is defined %}x{% endif %}"), "[]");
  EXPECT_THAT(refusal("{{ missing.field }}"), StartsWith("line 1: undefined value"));
  EXPECT_EQ(rendered("{{ tools is none }}{{ bos_token }}{{ enable_thinking }}"), "True<bos>False");
}

TEST(ChatTemplate, TestsFollowPython) {
  EXPECT_EQ(rendered("{{ none is iterable }}{{ [] is iterable }}{{ 'a' is iterable }}"
                     "{{ missing is iterable }}{{ 1 is iterable }}"),
            "FalseTrueTrueTrueFalse");
  EXPECT_EQ(rendered("{{ none is sequence }}{{ [] is sequence }}{{ 'a' is sequence }}"
                     "{{ {} is sequence }}{{ 1 is sequence }}"),
            "FalseTrueTrueTrueFalse");
  EXPECT_EQ(
      rendered("{{ true is number }}{{ true is integer }}{{ 1 is number }}{{ '1' is number }}"),
      "TrueFalseTrueFalse");
}

TEST(ChatTemplate, GenerationTagsHaveNoEffect) {
  EXPECT_EQ(rendered("a {%- generation -%} {{ 'b' }} {%- endgeneration -%} c"), "abc");
  EXPECT_EQ(rendered("{% generation %}\n generation {% endgeneration %}"), " generation ");
}

TEST(ChatTemplate, KnowsTheTime) {
  EXPECT_THAT(rendered("{{ strftime_now('%Y-%m-%d') }}"),
              testing::MatchesRegex("20[0-9][0-9]-[01][0-9]-[0-3][0-9]"));
}

TEST(ChatTemplate, HostileTemplatesStopSoon) {
  const char* sources[] = {
      "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
      "{% set n = namespace(s='x') %}{% for a in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
      "{{ '{:>9999999999}'.format('x') }}",
      "{{ [0] * 100000000 }}",
      "{{ range(1000000000000) | list }}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% set n = namespace(v=[1]) %}{% for a in range(60) %}{% set n.v = [n.v, n.v] %}{% endfor %}"
      "{{ n.v | tojson }}",
  };
  for (const char* source : sources) {
    // Processor time; the sanitizer build takes several times as long.
    const std::clock_t start = std::clock();
    EXPECT_THAT(refusal(source), testing::Not(StartsWith("rendered"))) << source;
    EXPECT_LT(std::clock() - start, 20 * CLOCKS_PER_SEC) << source;
  }
}

TEST(ChatTemplate, LongChatsHaveFuel) {
  ChatRequest request;
  for (int i = 0; i < 10000; ++i) {
    request.messages.push_back({{"role", "user"}, {"content", "Hello there."}});
  }
  const auto chat = ChatTemplate::parse(
      "{% for m in messages %}{{ m.role | upper }}: {{ m['content'] | trim }}\n{% endfor %}", "t");
  EXPECT_EQ(chat->render(request).size(), 10000u * 19);
}

TEST(ChatTemplate, NamesTheFileOfASyntaxError) {
  try {
    ChatTemplate::parse("a\n{% if %}", "x/chat_template.jinja");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadFile);
    EXPECT_THAT(error.what(), StartsWith("x/chat_template.jinja: "));
    EXPECT_THAT(error.what(), HasSubstr("line 2"));
  }
}

class ChatTemplateFolder : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const char* name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  std::string loaded() { return ChatTemplate::load(folder_)->render({}); }

  std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string("octavo_") + testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(ChatTemplateFolder, PrefersTheJinjaFile) {
  write("tokenizer_config.json", R"({"chat_template":"config","bos_token":"<s>"})");
  EXPECT_EQ(loaded(), "config");
  write("chat_template.jinja", "file {{ bos_token }}");
  EXPECT_EQ(loaded(), "file <s>");
}

TEST_F(ChatTemplateFolder, TakesTheDefaultOfSeveral) {
  write("tokenizer_config.json",
        R"({"chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}],
            "bos_token":{"content":"<b>"}})");
  EXPECT_EQ(loaded(), "d");
}

TEST_F(ChatTemplateFolder, FallsBackToTheBuiltInTemplate) {
  ChatRequest request;
  request.messages = {{{"role", "user"}, {"content", "Hi"}}};
  EXPECT_THAT(ChatTemplate::load(folder_)->render(request),
              StartsWith("<bos><|turn>user\nHi<turn|>\n<|turn>model\n"));
}

TEST_F(ChatTemplateFolder, RefusesADamagedConfig) {
  write("tokenizer_config.json", "{");
  EXPECT_THROW(loaded(), Error);
  write("tokenizer_config.json", "[1]");
  EXPECT_THROW(loaded(), Error);
  write("tokenizer_config.json", R"({"chat_template":"{% if %}"})");
  EXPECT_THROW(loaded(), Error);
}

}  // namespace
}  // namespace octavo
