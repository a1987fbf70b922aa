// Every option's range, and the order in which options override each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "octavo/error.h"
#include "session/generation_settings.h"

namespace octavo {
namespace {

using testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kVocab = 100;

std::string refusal(const GenerationOptions& options) {
  try {
    resolve(options, kVocab);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadRequest);
    return error.what();
  }
  return "accepted";
}

TEST(GenerationSettingsTest, DefaultsAreGreedyAndNeutral) {
  const GenerationSettings settings = resolve({}, kVocab);
  EXPECT_EQ(settings.max_new_tokens, 2048);
  EXPECT_EQ(settings.sampling.temperature, 0);
  EXPECT_EQ(settings.sampling.top_k, 0);
  EXPECT_EQ(settings.sampling.top_p, 1);
  EXPECT_EQ(settings.sampling.min_p, 0);
  EXPECT_EQ(settings.sampling.penalties.repetition, 1);
  EXPECT_EQ(settings.sampling.penalties.repetition_context, 256);
  EXPECT_EQ(settings.sampling.penalties.presence_context, 20);
  EXPECT_EQ(settings.sampling.penalties.frequency_context, 20);
  EXPECT_EQ(settings.repetition.max_consecutive_tokens, 0);
  EXPECT_EQ(settings.repetition.ngram_size, 64);
  EXPECT_FALSE(settings.thinking);
  EXPECT_TRUE(settings.include_reasoning);
  EXPECT_FALSE(settings.logprobs.has_value());
}

TEST(GenerationSettingsTest, EveryFieldReachesItsPlace) {
  const GenerationSettings settings = resolve({.max_new_tokens = 7,
                                               .repetition_penalty = 1.1,
                                               .repetition_context_size = 2,
                                               .presence_penalty = 3,
                                               .presence_context_size = 4,
                                               .frequency_penalty = 5,
                                               .frequency_context_size = 6,
                                               .logit_bias = {{{9, -4.0}}},
                                               .temperature = 0.6,
                                               .top_k = 64,
                                               .top_p = 0.95,
                                               .min_p = 0.05,
                                               .seed = 42,
                                               .stop = {{"END"}},
                                               .max_consecutive_tokens = 16,
                                               .max_ngram_repeats = 3,
                                               .ngram_size = 8,
                                               .ignore_eos = true,
                                               .reasoning_effort = ReasoningEffort::kHigh,
                                               .thinking_token_budget = 11,
                                               .include_reasoning = false,
                                               .logprobs = 5},
                                              kVocab);
  EXPECT_EQ(settings.max_new_tokens, 7);
  const PenaltyParams& penalties = settings.sampling.penalties;
  EXPECT_EQ(penalties.repetition, 1.1);
  EXPECT_EQ(penalties.repetition_context, 2);
  EXPECT_EQ(penalties.presence, 3);
  EXPECT_EQ(penalties.presence_context, 4);
  EXPECT_EQ(penalties.frequency, 5);
  EXPECT_EQ(penalties.frequency_context, 6);
  EXPECT_THAT(settings.sampling.logit_bias, testing::ElementsAre(testing::Pair(9, -4.0)));
  EXPECT_EQ(settings.sampling.temperature, 0.6);
  EXPECT_EQ(settings.sampling.top_k, 64);
  EXPECT_EQ(settings.sampling.top_p, 0.95);
  EXPECT_EQ(settings.sampling.min_p, 0.05);
  EXPECT_EQ(settings.seed, 42u);
  EXPECT_THAT(settings.stop, testing::ElementsAre("END"));
  EXPECT_EQ(settings.repetition.max_consecutive_tokens, 16);
  EXPECT_EQ(settings.repetition.max_ngram_repeats, 3);
  EXPECT_EQ(settings.repetition.ngram_size, 8);
  EXPECT_TRUE(settings.ignore_eos);
  EXPECT_TRUE(settings.thinking);
  EXPECT_EQ(settings.thinking_budget, 11);
  EXPECT_FALSE(settings.include_reasoning);
  EXPECT_EQ(settings.logprobs, 5);
}

TEST(GenerationSettingsTest, RefusesValuesOutOfRangeByName) {
  const std::vector<std::pair<std::string, GenerationOptions>> cases = {
      {"max_new_tokens", {.max_new_tokens = 0}},
      {"max_new_tokens", {.max_new_tokens = -1}},
      {"repetition_penalty", {.repetition_penalty = 0}},
      {"repetition_penalty", {.repetition_penalty = -1}},
      {"repetition_penalty", {.repetition_penalty = kNan}},
      {"repetition_context_size", {.repetition_context_size = -1}},
      {"presence_penalty", {.presence_penalty = kInfinity}},
      {"presence_context_size", {.presence_context_size = -5}},
      {"frequency_penalty", {.frequency_penalty = kNan}},
      {"frequency_context_size", {.frequency_context_size = -5}},
      {"logit_bias: token id", {.logit_bias = {{{-1, 1.0}}}}},
      {"logit_bias: token id", {.logit_bias = {{{kVocab, 1.0}}}}},
      {"logit_bias", {.logit_bias = {{{1, kNan}}}}},
      {"logit_bias", {.logit_bias = {{{1, 101.0}}}}},
      {"temperature", {.temperature = -1}},
      {"temperature", {.temperature = kNan}},
      {"temperature", {.temperature = 1e308}},
      {"top_k", {.top_k = -5}},
      {"top_p", {.top_p = 0}},
      {"top_p", {.top_p = 2}},
      {"top_p", {.top_p = kNan}},
      {"min_p", {.min_p = -0.1}},
      {"min_p", {.min_p = 1.1}},
      {"stop", {.stop = {{""}}}},
      {"stop", {.stop = std::vector<std::string>(100'000, "x")}},
      {"stop", {.stop = {{std::string(5000, 'x')}}}},
      {"max_consecutive_tokens", {.max_consecutive_tokens = -1}},
      {"max_ngram_repeats", {.max_ngram_repeats = -1}},
      {"ngram_size", {.ngram_size = 0}},
      {"thinking_token_budget", {.thinking_token_budget = -1}},
      {"logprobs", {.logprobs = -1}},
      {"logprobs", {.logprobs = 21}},
  };
  for (const auto& [field, options] : cases) {
    EXPECT_THAT(refusal(options), testing::StartsWith(field)) << field;
  }
}

TEST(GenerationSettingsTest, AcceptsTheBordersOfTheRanges) {
  EXPECT_EQ(refusal({.max_new_tokens = int64_t{1} << 31,
                     .repetition_penalty = 100,
                     .repetition_context_size = 0,
                     .logit_bias = {{{0, -100.0}, {99, 100.0}}},
                     .temperature = 100,
                     .top_k = 1'000'000,
                     .top_p = 1,
                     .min_p = 1,
                     .thinking_token_budget = 0,
                     .logprobs = 20}),
            "accepted");
}

TEST(GenerationOptionsTest, SetFieldsWin) {
  const GenerationOptions base{.max_new_tokens = 1, .temperature = 0.5, .stop = {{"a"}}};
  const GenerationOptions result = merged(base, {.temperature = 0, .top_k = 3});
  EXPECT_EQ(result.max_new_tokens, 1);
  EXPECT_EQ(result.temperature, 0);
  EXPECT_EQ(result.top_k, 3);
  EXPECT_EQ(result.stop->size(), 1u);
}

}  // namespace
}  // namespace octavo
