// What the format of the KV cache costs in accuracy and memory, on the small demo model.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "model/language_model.h"

namespace octavo {
namespace {

struct Outcome {
  std::vector<float> logits;  // of every token
  uint64_t kv_bytes;
};

/// 160 tokens, five windows of the sliding layers, in two passes with a rewind between them.
Outcome run(const ModelOptions& options) {
  const auto model = LanguageModel::load(OCTAVO_SOURCE_DIR "/models/capitals", options);
  constexpr int64_t kTokens = 160, kFirst = 100;
  const int64_t vocab = model->config().text.vocab_size;
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < kTokens; ++i) tokens.push_back((i * 37 + i * i * 11) % 2000 + 10);
  std::vector<int64_t> rows(kTokens);
  std::iota(rows.begin(), rows.end(), 0);

  Outcome outcome;
  outcome.logits.resize(static_cast<size_t>(kTokens * vocab));
  KvCache cache = model->make_cache();
  const auto pass = [&](int64_t begin, int64_t count) {
    const Segment segment = {&cache, count};
    model->forward(
        {std::span(tokens).subspan(begin, count), {&segment, 1}, std::span(rows).subspan(0, count)},
        std::span(outcome.logits).subspan(begin * vocab, count * vocab));
  };
  pass(0, kFirst);
  const KvCache kept = cache;
  pass(kFirst, 20);
  cache = kept;
  pass(kFirst, kTokens - kFirst);
  outcome.kv_bytes = cache.bytes();
  return outcome;
}

double relative_rms(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(double{a[i]} - b[i], 2);
    size += std::pow(double{b[i]}, 2);
  }
  return std::sqrt(difference / size);
}

TEST(KvFormatTest, EightBitsCostLittleAccuracyAndSaveNearlyHalf) {
  const Outcome bf16 = run({.threads = 1}), int8 = run({.int8_kv = true, .threads = 1});
  const double error = relative_rms(int8.logits, bf16.logits);
  RecordProperty("relative_rms", std::to_string(error));
  EXPECT_GT(error, 0);
  EXPECT_LT(error, 0.02);
  // One byte and an eighth per element instead of two.
  EXPECT_EQ(int8.kv_bytes * 16, bf16.kv_bytes * 9);
}

TEST(KvFormatTest, EightBitsGiveTheSameBitsOnAnyThreads) {
  EXPECT_EQ(run({.int8_kv = true, .threads = 1}).logits,
            run({.int8_kv = true, .threads = 2}).logits);
}

}  // namespace
}  // namespace octavo
