// Sequences on the demonstration model: whatever the way to a state, its logits are the same bits;
// only appended tokens may be computed in another arithmetic than those of a prompt.
#include "engine/sequence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "kernels/kernels.h"
#include "octavo/error.h"

namespace octavo {
namespace {

const std::filesystem::path kDemo = std::filesystem::path(OCTAVO_SOURCE_DIR) / "models/capitals";

LanguageModel& model(int threads = 2, bool exact = false) {
  static std::map<std::pair<int, bool>, std::unique_ptr<LanguageModel>> models;
  auto& entry = models[{threads, exact}];
  if (!entry) entry = LanguageModel::load(kDemo, {.exact = exact, .threads = threads});
  return *entry;
}

std::vector<int32_t> random_tokens(size_t count, unsigned seed = 1) {
  std::mt19937 rng(seed);
  std::vector<int32_t> tokens(count);
  for (int32_t& token : tokens) {
    token = static_cast<int32_t>(rng() % static_cast<unsigned>(model().config().text.vocab_size));
  }
  return tokens;
}

std::vector<float> logits_of(Sequence& sequence, std::span<const int32_t> tokens) {
  sequence.assign(tokens);
  return {sequence.logits().begin(), sequence.logits().end()};
}

std::vector<float> cold(std::span<const int32_t> tokens, int chunk = 512) {
  Sequence sequence(model(), chunk);
  return logits_of(sequence, tokens);
}

/// Tokens appended one by one against the same as a prompt: bit by bit, unless this machine
/// multiplies prompts in matrix tiles.
void expect_continued(const Sequence& appended, std::span<const int32_t> tokens) {
  const std::vector<float> expected = cold(tokens);
  if (kernels().matmul_tiles == nullptr) {
    EXPECT_TRUE(std::ranges::equal(appended.logits(), expected));
    return;
  }
  double difference = 0, size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(double{appended.logits()[i]} - expected[i], 2);
    size += std::pow(double{expected[i]}, 2);
  }
  EXPECT_LE(std::sqrt(difference / size), 1e-3);
}

// The window is 32 tokens and a cache block 64: 200 tokens wrap both several times.
TEST(Sequence, AnyChunkGivesTheSameBits) {
  const auto tokens = random_tokens(200);
  const auto whole = cold(tokens);
  for (const int chunk : {1, 2, 3, 7, 31, 32, 33, 64, 100}) {
    EXPECT_EQ(cold(tokens, chunk), whole) << "chunk " << chunk;
  }
}

TEST(Sequence, AnyNumberOfThreadsGivesTheSameBits) {
  const auto tokens = random_tokens(150);
  for (const bool exact : {false, true}) {
    Sequence one(model(1, exact)), two(model(2, exact)), three(model(3, exact));
    const auto expected = logits_of(one, tokens);
    EXPECT_EQ(logits_of(two, tokens), expected);
    EXPECT_EQ(logits_of(three, tokens), expected);
  }
}

TEST(Sequence, AppendContinuesLikeAssign) {
  const auto tokens = random_tokens(120);
  Sequence sequence(model());
  sequence.assign(std::span(tokens).first(50));
  for (size_t i = 50; i < tokens.size(); ++i) sequence.append(tokens[i]);
  expect_continued(sequence, tokens);
  EXPECT_TRUE(std::ranges::equal(sequence.tokens(), tokens));
}

TEST(Sequence, KeepsTheCommonPrefix) {
  auto tokens = random_tokens(100);
  Sequence sequence(model());
  sequence.assign(tokens);
  // Another tail, after a cut that the windows still cover.
  auto other = tokens;
  other.resize(95);
  const auto tail = random_tokens(30, 2);
  other.insert(other.end(), tail.begin(), tail.end());
  EXPECT_EQ(sequence.reusable(other), 95u);
  const auto assigned = sequence.assign(other);
  EXPECT_EQ(assigned.reused, 95u);
  EXPECT_EQ(assigned.computed, 30u);
  const std::vector<float> reused(sequence.logits().begin(), sequence.logits().end());
  EXPECT_EQ(reused, cold(other));
}

TEST(Sequence, SamePromptComputesOneToken) {
  const auto tokens = random_tokens(100);
  Sequence sequence(model());
  const auto first = logits_of(sequence, tokens);
  EXPECT_EQ(sequence.assign(tokens).computed, 1u);
  EXPECT_EQ(std::vector<float>(sequence.logits().begin(), sequence.logits().end()), first);
}

TEST(Sequence, StartsAgainWhereTheWindowIsGone) {
  const auto tokens = random_tokens(400);
  Sequence sequence(model());
  sequence.assign(tokens);
  const std::vector<int32_t> early(tokens.begin(), tokens.begin() + 100);
  EXPECT_EQ(sequence.reusable(early), 0u);
  EXPECT_EQ(logits_of(sequence, early), cold(early));
}

TEST(Sequence, ForkKeepsAnEarlierStateRewindable) {
  const auto prompt = random_tokens(90);
  Sequence live(model());
  live.assign(prompt);
  const Sequence snapshot = live.fork();
  for (const int32_t token : random_tokens(300, 5)) live.append(token);

  auto next = prompt;
  const auto tail = random_tokens(20, 6);
  next.insert(next.end(), tail.begin(), tail.end());
  EXPECT_EQ(live.reusable(next), 0u) << "the live windows have moved on";
  Sequence again = snapshot.fork();
  EXPECT_EQ(again.reusable(next), prompt.size());
  EXPECT_EQ(logits_of(again, next), cold(next));
}

TEST(Sequence, ForksGoDifferentWays) {
  const auto prompt = random_tokens(70);
  Sequence first(model());
  first.assign(prompt);
  Sequence second = first.fork();
  auto a = prompt, b = prompt;
  for (int i = 0; i < 10; ++i) {
    a.push_back(10 + i);
    b.push_back(200 + i);
    first.append(a.back());
    second.append(b.back());
  }
  expect_continued(first, a);
  expect_continued(second, b);
}

TEST(Sequence, BatchOfSequencesGivesTheBitsOfEachAlone) {
  const auto a = random_tokens(40, 1), b = random_tokens(70, 2);
  KvCache cache_a = model().make_cache(), cache_b = model().make_cache();
  std::vector<int32_t> both(a);
  both.insert(both.end(), b.begin(), b.end());
  const Segment segments[] = {{&cache_a, std::ssize(a)}, {&cache_b, std::ssize(b)}};
  const int64_t rows[] = {std::ssize(a) - 1, std::ssize(both) - 1};
  const auto vocab = static_cast<size_t>(model().config().text.vocab_size);
  std::vector<float> logits(2 * vocab);
  model().forward({both, segments, rows}, logits);
  EXPECT_EQ(std::vector<float>(logits.begin(), logits.begin() + vocab), cold(a));
  EXPECT_EQ(std::vector<float>(logits.begin() + vocab, logits.end()), cold(b));
}

TEST(Sequence, RefusesWhatItCannotRun) {
  Sequence sequence(model());
  EXPECT_THROW(sequence.assign(std::vector<int32_t>{}), Error);
  EXPECT_THROW(sequence.assign(std::vector<int32_t>{-1}), Error);
  EXPECT_THROW(sequence.assign(std::vector<int32_t>{1 << 20}), Error);
  EXPECT_THROW(Sequence(model(), 0), Error);
  const auto context = static_cast<size_t>(model().config().text.max_position_embeddings);
  EXPECT_THROW(sequence.assign(random_tokens(context + 1)), Error);
}

TEST(Sequence, CancelledPrefillCanBeContinued) {
  const auto tokens = random_tokens(100);
  Sequence sequence(model(), 10);
  std::atomic<bool> cancelled{false};
  EXPECT_THROW(sequence.assign(tokens, &cancelled,
                               [&](size_t done, size_t) {
                                 if (done >= 30) cancelled = true;
                               }),
               Error);
  EXPECT_EQ(sequence.tokens().size(), 30u);
  EXPECT_EQ(sequence.reusable(tokens), 30u);
  EXPECT_EQ(logits_of(sequence, tokens), cold(tokens));
}

}  // namespace
}  // namespace octavo
