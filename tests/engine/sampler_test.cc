#include "engine/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "octavo/error.h"

namespace octavo {
namespace {

using testing::ElementsAre;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Logits of a distribution given by its probabilities.
std::vector<float> logits_of(std::vector<double> probabilities) {
  std::vector<float> logits;
  for (double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

/// How often each token comes in `draws` draws.
std::map<int32_t, int> histogram(const SamplingParams& params, std::span<const float> logits,
                                 int draws = 4000, uint64_t seed = 7) {
  Sampler sampler(params, seed);
  std::map<int32_t, int> counts;
  for (int i = 0; i < draws; ++i) ++counts[sampler.sample(logits, {}, 0)];
  return counts;
}

std::vector<int32_t> support(const SamplingParams& params, std::span<const float> logits) {
  std::vector<int32_t> ids;
  for (const auto& [id, count] : histogram(params, logits)) ids.push_back(id);
  return ids;
}

int32_t greedy(SamplingParams params, std::span<const float> logits,
               std::span<const int32_t> tokens = {}, size_t prompt_length = 0) {
  params.temperature = 0;
  return Sampler(params, 0).sample(logits, tokens, prompt_length);
}

TEST(SamplerTest, GreedyTakesTheLowerIdOfEquals) {
  EXPECT_EQ(greedy({}, std::vector<float>{1, 3, 2, 3}), 1);
}

TEST(SamplerTest, SkipsNanAndRefusesLogitsWithoutANumber) {
  EXPECT_EQ(greedy({}, std::vector<float>{kNan, -5, kNan}), 1);
  EXPECT_THROW(greedy({}, std::vector<float>{kNan, kNan}), Error);
}

TEST(SamplerTest, AnInfiniteLogitIsDrawn) {
  // A penalty below the range of float makes infinity of a positive logit.
  const std::vector<float> logits{1, 2, 3};
  const std::vector<int32_t> tokens{1};
  const PenaltyParams tiny{.repetition = 1e-300};
  for (const SamplingParams& params :
       {SamplingParams{.penalties = tiny, .temperature = 1},
        SamplingParams{.penalties = tiny, .temperature = 1, .top_k = 2},
        SamplingParams{.penalties = tiny, .temperature = 1, .top_p = 0.5, .min_p = 0.1}}) {
    EXPECT_EQ(Sampler(params, 7).sample(logits, tokens, 1), 1);
  }
}

TEST(SamplerTest, NanIsNeverDrawn) {
  const std::vector<float> logits{kNan, 0, 0, kNan};
  EXPECT_THAT(support({.temperature = 1}, logits), ElementsAre(1, 2));
  EXPECT_THAT(support({.temperature = 1, .top_k = 3}, logits), ElementsAre(1, 2));
  EXPECT_THAT(support({.temperature = 1, .top_p = 0.99}, logits), ElementsAre(1, 2));
}

TEST(SamplerTest, TemperatureSamplingFollowsTheDistribution) {
  const auto logits = logits_of({0.5, 0.3, 0.2});
  const auto counts = histogram({.temperature = 1}, logits, 20000);
  EXPECT_NEAR(counts.at(0) / 20000.0, 0.5, 0.015);
  EXPECT_NEAR(counts.at(1) / 20000.0, 0.3, 0.015);
  EXPECT_NEAR(counts.at(2) / 20000.0, 0.2, 0.015);
}

TEST(SamplerTest, TemperatureSharpensAndFlattens) {
  const auto logits = logits_of({0.8, 0.2});
  // p^(1/T), renormalised: T = 0.5 gives 16:1, T = 2 gives 2:1.
  EXPECT_NEAR(histogram({.temperature = 0.5}, logits, 20000).at(0) / 20000.0, 16.0 / 17, 0.015);
  EXPECT_NEAR(histogram({.temperature = 2}, logits, 20000).at(0) / 20000.0, 2.0 / 3, 0.015);
}

TEST(SamplerTest, ExtremeTemperaturesStayDefined) {
  const auto logits = logits_of({0.6, 0.4});
  EXPECT_THAT(support({.temperature = 1e-300}, logits), ElementsAre(0));
  EXPECT_NEAR(histogram({.temperature = 100}, logits).at(0) / 4000.0, 0.5, 0.04);
}

TEST(SamplerTest, TopKKeepsTheBestAndPrefersLowerIdsAmongEquals) {
  const auto logits = logits_of({0.1, 0.3, 0.3, 0.1, 0.2});
  EXPECT_THAT(support({.temperature = 1, .top_k = 3}, logits), ElementsAre(1, 2, 4));
  EXPECT_THAT(support({.temperature = 1, .top_k = 4}, logits), ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(support({.temperature = 1, .top_k = 99}, logits), ElementsAre(0, 1, 2, 3, 4));
}

TEST(SamplerTest, TopPKeepsTheSmallestSetThatReachesTheMass) {
  const auto logits = logits_of({0.15, 0.5, 0.05, 0.3});
  EXPECT_THAT(support({.temperature = 1, .top_p = 0.49}, logits), ElementsAre(1));
  EXPECT_THAT(support({.temperature = 1, .top_p = 0.7}, logits), ElementsAre(1, 3));
  EXPECT_THAT(support({.temperature = 1, .top_p = 0.9}, logits), ElementsAre(0, 1, 3));
}

TEST(SamplerTest, MinPIsAShareOfTheBest) {
  const auto logits = logits_of({0.5, 0.3, 0.15, 0.05});
  EXPECT_THAT(support({.temperature = 1, .min_p = 0.25}, logits), ElementsAre(0, 1, 2));
  EXPECT_THAT(support({.temperature = 1, .min_p = 1}, logits), ElementsAre(0));
}

TEST(SamplerTest, TopPSeesWhatTopKLeft) {
  // After top-k 2 the shares are 5/8 and 3/8: mass 0.6 needs one token. Of the whole distribution
  // it would need two.
  const auto logits = logits_of({0.5, 0.3, 0.2});
  EXPECT_THAT(support({.temperature = 1, .top_k = 2, .top_p = 0.6}, logits), ElementsAre(0));
  EXPECT_THAT(support({.temperature = 1, .top_p = 0.6}, logits), ElementsAre(0, 1));
}

TEST(SamplerTest, TemperatureComesBeforeTopPAndMinP) {
  const auto logits = logits_of({0.8, 0.2});
  // At T = 2 the shares are 2/3 and 1/3.
  EXPECT_THAT(support({.temperature = 2, .top_p = 0.75}, logits), ElementsAre(0, 1));
  EXPECT_THAT(support({.temperature = 1, .top_p = 0.75}, logits), ElementsAre(0));
  EXPECT_THAT(support({.temperature = 2, .min_p = 0.4}, logits), ElementsAre(0, 1));
  EXPECT_THAT(support({.temperature = 1, .min_p = 0.4}, logits), ElementsAre(0));
}

TEST(SamplerTest, PenaltiesAndBiasComeBeforeTopK) {
  const std::vector<float> logits{5, 4, 3};
  EXPECT_EQ(greedy({.logit_bias = {{2, 3}}}, logits), 2);
  EXPECT_THAT(support({.logit_bias = {{0, -100}}, .temperature = 1, .top_k = 1}, logits),
              ElementsAre(1));
  // Divided by the penalty first (5 -> 2.5), then biased (-> 4.5): the other order gives 3.5 < 4.
  SamplingParams both{.penalties = {.repetition = 2}, .logit_bias = {{0, 2}}};
  EXPECT_EQ(greedy(both, logits, std::vector<int32_t>{0}), 0);
}

TEST(SamplerTest, BannedTokensStayBannedUnderAnyBias) {
  const std::vector<float> logits{5, 4, 3};
  SamplingParams params{.logit_bias = {{0, 100}}, .banned = {0}};
  EXPECT_EQ(greedy(params, logits), 1);
  params.temperature = 100;
  EXPECT_THAT(support(params, logits), ElementsAre(1, 2));
}

TEST(SamplerTest, RepetitionPenaltyDividesPositiveAndMultipliesNegative) {
  SamplingParams params{.penalties = {.repetition = 2}};
  EXPECT_EQ(greedy(params, std::vector<float>{4, 2.5}, std::vector<int32_t>{0}), 1);
  EXPECT_EQ(greedy(params, std::vector<float>{-2, -3}, std::vector<int32_t>{0}), 1);
  // Once per token, however often it came: 4 / 2 > 1.5.
  EXPECT_EQ(greedy(params, std::vector<float>{4, 1.5}, std::vector<int32_t>{0, 0, 0}), 0);
}

TEST(SamplerTest, RepetitionPenaltyCountsThePromptWithinItsContext) {
  SamplingParams params{.penalties = {.repetition = 2, .repetition_context = 2}};
  const std::vector<float> logits{4, 3, 1};
  EXPECT_EQ(greedy(params, logits, std::vector<int32_t>{0, 2}, 2), 1);
  EXPECT_EQ(greedy(params, logits, std::vector<int32_t>{0, 2, 2}, 3), 0);
  params.penalties.repetition_context = 0;
  EXPECT_EQ(greedy(params, logits, std::vector<int32_t>{0}, 1), 0);
}

TEST(SamplerTest, PresencePenaltyIsSubtractedOnceForTokensOfTheAnswer) {
  SamplingParams params{.penalties = {.presence = 2, .presence_context = 3}};
  const std::vector<float> logits{4, 3, 0};
  EXPECT_EQ(greedy(params, logits, std::vector<int32_t>{1, 0}, 1), 1);
  EXPECT_EQ(greedy(params, logits, std::vector<int32_t>{1, 0}, 2), 0);  // prompt only
  EXPECT_EQ(greedy(params, std::vector<float>{4, 1}, std::vector<int32_t>{0, 0}, 0), 0);  // once
  EXPECT_EQ(greedy(params, logits, std::vector<int32_t>{0, 2, 2, 2}, 0), 0);  // out of context
}

TEST(SamplerTest, FrequencyPenaltyIsSubtractedPerOccurrence) {
  SamplingParams params{.penalties = {.frequency = 1, .frequency_context = 3}};
  const std::vector<float> logits{4, 2.5};
  EXPECT_EQ(greedy(params, logits, std::vector<int32_t>{0}, 0), 0);
  EXPECT_EQ(greedy(params, logits, std::vector<int32_t>{0, 0}, 0), 1);
  EXPECT_EQ(greedy(params, logits, std::vector<int32_t>{0, 0}, 1), 0);
  params.penalties.frequency_context = 1;
  EXPECT_EQ(greedy(params, logits, std::vector<int32_t>{0, 0}, 0), 0);
}

TEST(SamplerTest, ASeedRepeatsItsDrawsAndAnotherDoesNot) {
  const std::vector<float> logits(1000, 0.0f);
  const auto draw_all = [&](uint64_t seed) {
    Sampler sampler({.temperature = 1}, seed);
    std::vector<int32_t> ids;
    for (int i = 0; i < 20; ++i) ids.push_back(sampler.sample(logits, {}, 0));
    return ids;
  };
  EXPECT_EQ(draw_all(1), draw_all(1));
  EXPECT_NE(draw_all(1), draw_all(2));
  const auto ids = draw_all(1);
  EXPECT_GT(std::set<int32_t>(ids.begin(), ids.end()).size(), 10u);
}

TEST(SamplerTest, TheNumberStreamIsTheSameEverywhere) {
  // splitmix64 with state 0: its published first outputs.
  EXPECT_EQ(counter_uniform(0, 0), (0xe220a8397b1dcdafu >> 11) * 0x1.0p-53);
  EXPECT_EQ(counter_uniform(0, 1), (0x6e789e6aa1b965f4u >> 11) * 0x1.0p-53);
  for (uint64_t i = 0; i < 1000; ++i) {
    EXPECT_GE(counter_uniform(~0ull, i), 0);
    EXPECT_LT(counter_uniform(~0ull, i), 1);
  }
}

/// With nothing but a temperature (and min-p), the draw is where the cumulated weights pass it.
TEST(SamplerTest, DrawsFromTheWholeVocabulary) {
  constexpr int kVocab = 262144;
  std::vector<float> logits(kVocab);
  for (int i = 0; i < kVocab; ++i) logits[i] = static_cast<float>(12 * counter_uniform(4, i));
  const double best = *std::ranges::max_element(logits);
  for (const double min_p : {0.0, 0.01}) {
    std::vector<double> weights(kVocab);
    for (int i = 0; i < kVocab; ++i) {
      const double weight = std::exp((logits[i] - best) / 0.7);
      weights[i] = weight < min_p ? 0 : weight;
    }
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    Sampler sampler({.temperature = 0.7, .min_p = min_p}, 9);
    for (uint64_t draw = 0; draw < 20; ++draw) {
      const double target = counter_uniform(9, draw) * total;
      double sum = 0;
      int expected = 0;
      while ((sum += weights[expected]) <= target) ++expected;
      EXPECT_EQ(sampler.sample(logits, {}, 0), expected) << draw;
    }
  }
}

TEST(SamplerTest, FiltersAgreeWithAFullSortOnALargeVocabulary) {
  constexpr int kVocab = 262144;
  std::vector<float> logits(kVocab);
  for (int i = 0; i < kVocab; ++i) {
    logits[i] = static_cast<float>(12 * counter_uniform(3, i));  // flat: the nucleus is large
  }
  std::vector<int32_t> order(kVocab);
  for (int i = 0; i < kVocab; ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  double total = 0;
  for (float logit : logits) total += std::exp(logit);
  std::vector<int32_t> rank(kVocab);
  for (int i = 0; i < kVocab; ++i) rank[order[i]] = i;
  double mass = 0;
  int nucleus = 0;
  while (mass < 0.3 * total) mass += std::exp(logits[order[nucleus++]]);
  ASSERT_GT(nucleus, 1000);

  int deepest = 0;
  for (const auto& [id, count] : histogram({.temperature = 1, .top_p = 0.3}, logits, 40)) {
    EXPECT_LT(rank[id], nucleus);
    deepest = std::max(deepest, rank[id]);
  }
  EXPECT_GT(deepest, nucleus / 2);
  for (const auto& [id, count] : histogram({.temperature = 1, .top_k = 500}, logits, 40)) {
    EXPECT_LT(rank[id], 500);
  }
}

}  // namespace
}  // namespace octavo
