// Thinking: effort, live deltas, budget, stripping from history.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scripted_model.h"

namespace octavo {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

constexpr auto kMedium = ReasoningEffort::kMedium;
const std::string kThought = "<|channel>thought\nFrance is in Europe.\n<channel|>Paris.";

TEST(ReasoningTest, EffortDecidesWhetherTheModelIsAskedToThink) {
  for (const auto& [effort, on] : std::vector<std::pair<std::optional<ReasoningEffort>, bool>>{
           {std::nullopt, false},
           {ReasoningEffort::kNone, false},
           {ReasoningEffort::kLow, false},
           {ReasoningEffort::kMedium, true},
           {ReasoningEffort::kHigh, true}}) {
    auto script = scripted_model({"x"});
    const Result result = ChatSession(script->model()).send("?", {.reasoning_effort = effort});
    EXPECT_EQ(result.thinking_enabled, on);
    if (on) {
      EXPECT_THAT(script->prompt_text(0), HasSubstr("<|think|>"));
      EXPECT_THAT(script->prompt_text(0), EndsWith("<|turn>model\n"));
    } else {
      EXPECT_THAT(script->prompt_text(0), Not(HasSubstr("<|think|>")));
    }
  }
}

TEST(ReasoningTest, IsStreamedLiveAndApart) {
  auto script = scripted_model({kThought});
  ChatSession session(script->model());
  std::string thinking, text;
  int thinking_events = 0;
  const Result result =
      session.send_stream("?", {.reasoning_effort = kMedium}, [&](const Event& event) {
        (event.is_reasoning ? thinking : text) += event.text;
        thinking_events += event.is_reasoning;
        return true;
      });
  EXPECT_EQ(result.text, "Paris.");
  EXPECT_EQ(result.thinking, "France is in Europe.");
  EXPECT_EQ(text, result.text);
  EXPECT_EQ(thinking, result.thinking);
  EXPECT_GT(thinking_events, 1);
  EXPECT_GT(result.reasoning_tokens, 2);
  EXPECT_LT(result.reasoning_tokens, result.num_tokens - 3);
}

TEST(ReasoningTest, CanBeKeptFromTheCaller) {
  for (const GenerationOptions& options :
       {GenerationOptions{.reasoning_effort = kMedium, .include_reasoning = false},
        GenerationOptions{.reasoning_effort = ReasoningEffort::kNone}}) {
    auto script = scripted_model({kThought});
    ChatSession session(script->model());
    bool streamed = false;
    const Result result = session.send_stream("?", options, [&](const Event& event) {
      streamed |= event.is_reasoning;
      return true;
    });
    EXPECT_FALSE(streamed);
    EXPECT_EQ(result.thinking, "");
    EXPECT_EQ(result.text, "Paris.");
    EXPECT_GT(result.reasoning_tokens, 0);
  }
}

TEST(ReasoningTest, LeavesTheHistoryWithTheNextUserTurn) {
  auto script = scripted_model({kThought, "Berlin."});
  ChatSession session(script->model(), {.defaults = {.reasoning_effort = kMedium}});
  session.send("France?");
  session.send("Germany?");
  EXPECT_THAT(script->prompt_text(1), HasSubstr("<|turn>model\nParis.<turn|>\n"));
  EXPECT_THAT(script->prompt_text(1), Not(HasSubstr("Europe")));
}

TEST(ReasoningTest, TheSnapshotServesWhenTheLiveSequenceCannotRewind) {
  auto script = scripted_model({kThought, "Berlin.", "Tokyo."});
  ChatSession session(script->model(), {.defaults = {.reasoning_effort = kMedium}});
  script->max_rewind = 4;  // shorter than the thought
  const Result first = session.send("France?");
  const Result second = session.send("Germany?");
  EXPECT_EQ(second.cached_tokens, first.prompt_tokens);
  // A session without the first turn's snapshot starts from nothing.
  EXPECT_EQ(first.cached_tokens, 0);
  EXPECT_EQ(script->decoders_made, 1);
}

/// Thinks until its thought is closed, then says "Paris." and ends.
Script endless_thinker(const ScriptedModel& model) {
  const auto& tokenizer = *model.impl->tokenizer;
  const std::vector<int32_t> opening = tokenizer.encode("<|channel>thought\n");
  std::vector<int32_t> ending = tokenizer.encode("Paris.");
  ending.push_back(model.id("<turn|>"));
  const int32_t close = model.id("<channel|>");
  const int32_t word = model.id("a");
  return [=](auto, std::span<const int32_t> answer) {
    const auto closed = std::ranges::find(answer, close);
    if (closed == answer.end()) {
      return answer.size() < opening.size() ? opening[answer.size()] : word;
    }
    return ending.at(static_cast<size_t>(answer.end() - closed) - 1);
  };
}

TEST(ReasoningTest, TheBudgetIsObeyed) {
  for (int64_t budget : {1, 5, 40}) {
    auto script = scripted_model(Script{});
    script->script = endless_thinker(*script);
    const Result result =
        ChatSession(script->model())
            .send("?", {.reasoning_effort = kMedium, .thinking_token_budget = budget});
    EXPECT_EQ(result.text, "Paris.");
    EXPECT_EQ(result.reasoning_tokens, budget);
    EXPECT_EQ(result.finish_reason, FinishReason::kStop);
  }
}

TEST(ReasoningTest, ABudgetOfNothingTurnsThinkingOff) {
  auto script = scripted_model(Script{});
  script->script = endless_thinker(*script);
  const Result result = ChatSession(script->model())
                            .send("?", {.reasoning_effort = kMedium, .thinking_token_budget = 0});
  EXPECT_FALSE(result.thinking_enabled);
  EXPECT_EQ(result.reasoning_tokens, 0);
  EXPECT_EQ(result.text, "Paris.");  // although this model opened a thought all the same
}

TEST(ReasoningTest, AnUnwantedThoughtIsTheAnswerIfThereIsNoOther) {
  auto script = scripted_model({"<|channel>thought\nParis.<channel|>", "x"});
  ChatSession session(script->model());
  const Result result = session.send("?");
  EXPECT_EQ(result.text, "Paris.");
  EXPECT_EQ(result.thinking, "");
  session.send("!");
  EXPECT_THAT(script->prompt_text(1), HasSubstr("<|turn>model\nParis.<turn|>"));
}

}  // namespace
}  // namespace octavo
