#include "kernels/peak.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

namespace octavo {
namespace {

double seconds(const PeakLoop& loop, uint64_t rounds) {
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    loop.run(rounds);
    const auto time = std::chrono::steady_clock::now() - start;
    best = std::min(best, std::chrono::duration<double>(time).count());
  }
  return best;
}

TEST(PeakTest, LoopsDoTheRoundsTheyAreAskedFor) {
  for (const PeakLoop& loop : {peak_loops().fp32, peak_loops().int16, peak_loops().fp16}) {
    if (loop.run == nullptr) continue;
    const double few = seconds(loop, 20'000), many = seconds(loop, 200'000);
    EXPECT_GT(many, 4 * few);
    // No core does less than 0.1 or more than 10,000 of them per nanosecond.
    const double per_ns = 200'000.0 * static_cast<double>(loop.operations_per_round) / many / 1e9;
    EXPECT_GT(per_ns, 0.1);
    EXPECT_LT(per_ns, 1e4);
  }
}

TEST(PeakTest, EveryInstructionSetHasAnFp32Loop) {
  EXPECT_NE(peak_loops().fp32.run, nullptr);
  EXPECT_GT(peak_loops().fp32.operations_per_round, 0u);
}

TEST(PeakTest, ReadsEveryByte) {
  std::vector<uint64_t> words(2 * kReadStep / 8);
  std::iota(words.begin(), words.end(), uint64_t{1} << 40);
  const auto* data = reinterpret_cast<const std::byte*>(words.data());
  for (const bool prefetch : {false, true}) {
    for (const size_t at : {size_t{0}, words.size() / 2 - 1, words.size() - 1}) {
      words[at] ^= 0x1234;
      uint64_t expected = 0;
      for (const uint64_t word : words) expected ^= word;
      EXPECT_EQ(peak_loops().read(data, words.size() * 8, prefetch), expected);
    }
  }
}

}  // namespace
}  // namespace octavo
