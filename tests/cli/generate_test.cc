// The commands that run a model, on the demo model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "run_octavo.h"

namespace octavo::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::string kModel = std::string(OCTAVO_SOURCE_DIR) + "/models/capitals";
const std::string kQuestion = "What is the capital of France?";

std::vector<std::string> generate(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"generate", "-m", kModel, "--threads", "1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::vector<std::string> greedy(std::vector<std::string> more) {
  more.insert(more.end(), {"--temp", "0", "--max-tokens", "40"});
  return generate(more);
}

TEST(GenerateTest, PrintsTheAnswerAloneOrAsJson) {
  const Outcome plain = run_octavo(greedy({"-p", kQuestion}));
  EXPECT_EQ(plain.status, 0);
  EXPECT_EQ(plain.err, "");
  const Outcome streamed = run_octavo(greedy({"-p", kQuestion, "--stream"}));
  EXPECT_EQ(streamed.out, plain.out);

  const Outcome outcome = run_octavo(greedy({"-p", kQuestion, "--json"}));
  EXPECT_EQ(outcome.status, 0);
  const json object = json::parse(outcome.out);
  EXPECT_EQ(object["text"].get<std::string>() + "\n", plain.out);
  EXPECT_TRUE(object["reasoning"].is_string());
  EXPECT_EQ(object["finish_reason"], "stop");
  EXPECT_EQ(object["tokens"].size(), object["usage"]["completion_tokens"]);
  EXPECT_GT(object["usage"]["prompt_tokens"], 5);
  EXPECT_GT(object["timings"]["ttft_ms"], 0);
  EXPECT_FALSE(object.contains("logprobs"));
}

TEST(GenerateTest, ReadsStandardInput) {
  const Outcome given = run_octavo(greedy({"-p", kQuestion}));
  EXPECT_EQ(run_octavo(greedy({"-p", "-"}), kQuestion + "\n").out, given.out);
}

TEST(GenerateTest, ASeedRepeatsASampledAnswer) {
  const auto sampled = [](const std::string& seed) {
    return json::parse(run_octavo(generate({"-p", "Hi", "--temp", "5", "--top-p", "1", "--top-k",
                                            "0", "--max-tokens", "20", "--seed", seed, "--json"}))
                           .out);
  };
  EXPECT_EQ(sampled("7")["tokens"], sampled("7")["tokens"]);
  EXPECT_NE(sampled("7")["tokens"], sampled("8")["tokens"]);
  EXPECT_EQ(sampled("7")["seed"], 7);
}

TEST(GenerateTest, OptionsReachTheSession) {
  const auto of = [](std::vector<std::string> more) {
    more.insert(more.end(), {"-p", kQuestion, "--json"});
    return json::parse(run_octavo(greedy(more)).out);
  };
  const json all = of({});
  const auto text = all["text"].get<std::string>();
  ASSERT_GT(text.size(), 8u);
  EXPECT_EQ(of({"--stop", text.substr(4, 4)})["text"],
            text.substr(0, text.find(text.substr(4, 4))));
  const json probable = of({"--logprobs", "3"});
  EXPECT_EQ(probable["logprobs"].size(), all["tokens"].size());
  EXPECT_EQ(probable["logprobs"][0]["top"].size(), 3u);
  EXPECT_EQ(probable["logprobs"][0]["top"][0]["token"], all["tokens"][0]);
  const std::string first = std::to_string(all["tokens"][0].get<int>());
  EXPECT_NE(of({"--logit-bias", first + "=-100"})["tokens"][0], all["tokens"][0]);
  EXPECT_GT(of({"--system", "Be brief."})["usage"]["prompt_tokens"], all["usage"]["prompt_tokens"]);
  EXPECT_LT(of({"--raw"})["usage"]["prompt_tokens"], all["usage"]["prompt_tokens"]);
}

TEST(GenerateTest, ErrorsAreOneLine) {
  const auto error = [](const std::vector<std::string>& arguments, int status) {
    const Outcome outcome = run_octavo(arguments);
    EXPECT_EQ(outcome.status, status) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(error(generate({"-p", "x", "--temp", "-1"}), 1), HasSubstr("temperature"));
  EXPECT_THAT(error(generate({"-p", "x", "--top-p", "2"}), 1), HasSubstr("top_p"));
  EXPECT_THAT(error(generate({"-p", "x", "--stop", ""}), 1), HasSubstr("stop"));
  EXPECT_THAT(error(generate({"-p", "x", "--logit-bias", "a=1"}), 1), HasSubstr("--logit-bias"));
  EXPECT_THAT(error(generate({"-p", "x", "--max-tokens", "10.5"}), 2), HasSubstr("max-tokens"));
  EXPECT_THAT(error(generate({"-p", "x", "--seed", "-1"}), 2), HasSubstr("seed"));
  EXPECT_THAT(error(generate({"-p", "x", "--reasoning", "much"}), 2), HasSubstr("reasoning"));
  EXPECT_THAT(error(generate({"-p", "x", "--tools", "/nowhere.json"}), 1), HasSubstr("/nowhere"));
  EXPECT_THAT(error({"generate", "-m", "/nowhere", "-p", "x"}, 1), HasSubstr("/nowhere"));
  EXPECT_THAT(error(generate({}), 2), HasSubstr("--prompt"));
}

TEST(ChatTest, AnswersLinesFromAPipeAndObeysCommands) {
  const std::vector<std::string> arguments = {"chat",   "-m", kModel,         "--threads", "1",
                                              "--temp", "0",  "--max-tokens", "40"};
  const std::string file = testing::TempDir() + "octavo_chat.json";
  const Outcome outcome =
      run_octavo(arguments, kQuestion + "\n/stats\n/save " + file + "\n/nonsense\n/reset\n\n" +
                                kQuestion + "\n/quit\nnever read\n");
  EXPECT_EQ(outcome.status, 0);
  const std::string answer = run_octavo(greedy({"-p", kQuestion})).out;
  EXPECT_EQ(outcome.out, answer + answer);  // the reset made the second turn a first one
  EXPECT_THAT(outcome.err, HasSubstr("tok/s"));
  EXPECT_THAT(outcome.err, HasSubstr("Not a command: /nonsense"));
  const json history = json::parse(std::ifstream(file));
  EXPECT_EQ(history.size(), 2u);
  EXPECT_EQ(history[0]["content"], kQuestion);
  std::filesystem::remove(file);
}

TEST(ChatTest, HelpListsTheCommandsAndSystemStartsAfresh) {
  const Outcome outcome =
      run_octavo({"chat", "-m", kModel, "--threads", "1"}, "/help\n/system Be brief.\n/think on\n");
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, "");
  for (const char* text :
       {"/reset", "/system TEXT", "/quit", "System prompt set", "Thinking is on"}) {
    EXPECT_THAT(outcome.err, HasSubstr(text));
  }
}

}  // namespace
}  // namespace octavo::cli
