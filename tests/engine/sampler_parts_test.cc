// The small parts around the sampler: selection, log-probabilities, stop strings, loops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "engine/logprobs.h"
#include "engine/repetition.h"
#include "engine/stop_strings.h"
#include "engine/top_k.h"

namespace octavo {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(BestTokensTest, OrdersByLogitThenId) {
  const std::vector<float> logits{1, 5, 3, 5, 3};
  EXPECT_THAT(best_tokens(logits, 3), ElementsAre(1, 3, 2));
  EXPECT_THAT(best_tokens(logits, 9), ElementsAre(1, 3, 2, 4, 0));
  EXPECT_THAT(best_tokens(logits, 0), IsEmpty());
}

TEST(BestTokensTest, LeavesOutMinusInfinityAndNan) {
  const std::vector<float> logits{-std::numeric_limits<float>::infinity(), 2,
                                  std::numeric_limits<float>::quiet_NaN()};
  EXPECT_THAT(best_tokens(logits, 3), ElementsAre(1));
}

TEST(BestTokensTest, AreThoseOfAPlainSortAtAnySize) {
  std::mt19937 random(5);
  for (const size_t size : {0, 1, 15, 16, 17, 1023, 1024, 1025, 5000, 20000}) {
    std::vector<float> logits(size);
    for (float& logit : logits) {  // many equals, some without an order
      const auto choice = static_cast<int>(random() % 50);
      logit = static_cast<float>(choice) - 30;
      if (choice == 0) logit = std::numeric_limits<float>::quiet_NaN();
      if (choice == 1) logit = -std::numeric_limits<float>::infinity();
    }
    for (const size_t late : {1024, 3000, 4999, 19000}) {  // better than all before
      if (late < size) logits[late] = 30 + static_cast<float>(late);
    }
    std::vector<int32_t> sorted;
    for (size_t id = 0; id < size; ++id) {
      if (logits[id] >= std::numeric_limits<float>::lowest()) {
        sorted.push_back(static_cast<int32_t>(id));
      }
    }
    std::ranges::stable_sort(sorted, [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
    EXPECT_EQ(best_token(logits), sorted.empty() ? -1 : sorted[0]) << size;
    sorted.resize(std::min<size_t>(sorted.size(), 200));
    EXPECT_EQ(best_tokens(logits, 200), sorted) << size;
  }
}

TEST(TokenLogprobTest, IsTheLogSoftmax) {
  const std::vector<float> logits{std::log(1.0f), std::log(2.0f), std::log(5.0f)};
  const TokenLogprob result = token_logprob(logits, 0, 2);
  EXPECT_EQ(result.token, 0);
  EXPECT_NEAR(result.logprob, std::log(1 / 8.0), 1e-6);
  ASSERT_EQ(result.top.size(), 2u);
  EXPECT_EQ(result.top[0].first, 2);
  EXPECT_NEAR(result.top[0].second, std::log(5 / 8.0), 1e-6);
  EXPECT_EQ(result.top[1].first, 1);
  EXPECT_THAT(token_logprob(logits, 2, 0).top, IsEmpty());
}

TEST(StopStringsTest, EndsBeforeAStringSplitOverPieces) {
  StopStrings stops({"END"});
  EXPECT_EQ(stops.push("one E"), "one ");
  EXPECT_EQ(stops.push("N"), "");
  EXPECT_FALSE(stops.stopped());
  EXPECT_EQ(stops.push("D two"), "");
  EXPECT_TRUE(stops.stopped());
  EXPECT_EQ(stops.push("more"), "");
  EXPECT_EQ(stops.flush(), "");
}

TEST(StopStringsTest, ReleasesATailThatTurnsOutOtherwise) {
  StopStrings stops({"aab"});
  EXPECT_EQ(stops.push("xa"), "x");
  EXPECT_EQ(stops.push("a"), "");
  EXPECT_EQ(stops.push("a"), "a");  // "aaa": the last two may still begin the stop string
  EXPECT_EQ(stops.flush(), "aa");
  EXPECT_FALSE(stops.stopped());
}

TEST(StopStringsTest, TheFirstOfSeveralWins) {
  StopStrings stops({"world", "lo"});
  EXPECT_EQ(stops.push("hello world"), "hel");
  EXPECT_TRUE(stops.stopped());
}

TEST(StopStringsTest, WithoutStopsEverythingPasses) {
  StopStrings stops({});
  EXPECT_EQ(stops.push("abc"), "abc");
}

TEST(RepetitionTest, IsOffByDefault) {
  const std::vector<int32_t> same(1000, 4);
  EXPECT_FALSE(is_repetitive(same, {}));
}

TEST(RepetitionTest, FindsRunsOfOneToken) {
  const RepetitionLimits limits{.max_consecutive_tokens = 3};
  EXPECT_FALSE(is_repetitive(std::vector<int32_t>{4, 1, 4, 4}, limits));
  EXPECT_TRUE(is_repetitive(std::vector<int32_t>{1, 4, 4, 4}, limits));
}

TEST(RepetitionTest, FindsLoopsWhosePeriodIsNotTheNgramSize) {
  const RepetitionLimits limits{.max_ngram_repeats = 3, .ngram_size = 4};
  std::vector<int32_t> answer{9, 8, 7};
  for (int i = 0; i < 13; ++i) {
    EXPECT_EQ(is_repetitive(answer, limits), i >= 4 + 2 * 3) << i;
    answer.push_back(i % 3);  // period 3: the third 4-gram is complete after 4 + 2 * 3 tokens
  }
}

}  // namespace
}  // namespace octavo
