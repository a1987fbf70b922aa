// Blocks of the KV cache: fork, copy on write, expiry behind the window, rewind.
#include "backend/kv_cache.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <tuple>

namespace octavo {
namespace {

constexpr int64_t kBlock = KvCache::kBlockTokens;

std::shared_ptr<const KvShape> shape(int64_t window) {
  auto result = std::make_shared<KvShape>();
  result->layers = {{2, 16, window}, {1, 32, 0}};
  result->bf16 = false;
  return result;
}

float read(const KvView& view, int64_t position, int64_t dim) {
  float value;
  std::memcpy(&value,
              view.blocks[position / view.block_tokens] + view.offset +
                  position % view.block_tokens * dim * 4,
              4);
  return value;
}

/// Appends `count` positions; every head of every layer holds `base` + position.
void append(KvCache& cache, int64_t count, float base) {
  cache.reserve(count);
  for (int64_t p = cache.length(); p < cache.length() + count; ++p) {
    for (int64_t layer = 0; layer < 2; ++layer) {
      for (int64_t head = 0; head < cache.shape().layers[layer].kv_heads; ++head) {
        const float key = base + static_cast<float>(p) + 1000.0f * static_cast<float>(head);
        std::memcpy(cache.key(layer, head, p), &key, 4);
        const float value = -key;
        std::memcpy(cache.value(layer, head, p), &value, 4);
      }
    }
  }
  cache.commit(count);
}

TEST(KvCache, HoldsWhatWasWritten) {
  KvCache cache(shape(0));
  append(cache, 3, 0);
  append(cache, kBlock, 0);
  append(cache, 1, 0);
  EXPECT_EQ(cache.length(), kBlock + 4);
  for (int64_t p = 0; p < cache.length(); ++p) {
    EXPECT_EQ(read(cache.keys(0, 1), p, 16), static_cast<float>(p) + 1000.0f);
    EXPECT_EQ(read(cache.values(1, 0), p, 32), -static_cast<float>(p));
  }
}

TEST(KvCache, ForkedCachesDoNotSeeEachOther) {
  KvCache first(shape(0));
  append(first, kBlock + 5, 0);
  KvCache second = first;
  EXPECT_EQ(first.keys(0, 0).blocks[0], second.keys(0, 0).blocks[0]);
  append(first, 4, 100);
  append(second, 4, 200);
  EXPECT_EQ(read(first.keys(0, 0), kBlock + 5, 16), 100.0f + kBlock + 5);
  EXPECT_EQ(read(second.keys(0, 0), kBlock + 5, 16), 200.0f + kBlock + 5);
  EXPECT_EQ(read(second.keys(0, 0), kBlock + 4, 16), static_cast<float>(kBlock + 4));
  EXPECT_EQ(first.keys(0, 0).blocks[0], second.keys(0, 0).blocks[0]) << "full blocks stay shared";
}

TEST(KvCache, SlidingLayersLetGoOfOldBlocks) {
  KvCache cache(shape(kBlock));
  append(cache, 6 * kBlock, 0);
  EXPECT_EQ(cache.keys(0, 0).blocks[0], nullptr);
  EXPECT_NE(cache.keys(1, 0).blocks[0], nullptr);
  // Everything the next query sees is there.
  for (int64_t p = 5 * kBlock + 1; p < 6 * kBlock; ++p) {
    EXPECT_EQ(read(cache.keys(0, 0), p, 16), static_cast<float>(p));
  }
}

TEST(KvCache, RewindsOnlyWhileTheWindowIsThere) {
  KvCache cache(shape(kBlock));
  append(cache, 6 * kBlock, 0);
  EXPECT_TRUE(cache.can_truncate(6 * kBlock));
  EXPECT_TRUE(cache.can_truncate(6 * kBlock - 1));
  EXPECT_FALSE(cache.can_truncate(2 * kBlock));
  EXPECT_FALSE(cache.can_truncate(6 * kBlock + 1)) << "not longer than it is";
  // A query at the new end sees window - 1 positions before it: the oldest must be kept.
  int64_t lowest = 6 * kBlock;
  while (cache.can_truncate(lowest - 1)) --lowest;
  const int64_t oldest = lowest - kBlock + 1;
  EXPECT_NE(cache.keys(0, 0).blocks[oldest / kBlock], nullptr);
  EXPECT_EQ(cache.keys(0, 0).blocks[(oldest - 1) / kBlock], nullptr);

  cache.truncate(lowest);
  append(cache, 10, 500);
  EXPECT_EQ(read(cache.keys(0, 0), lowest, 16), 500.0f + static_cast<float>(lowest));
  EXPECT_EQ(read(cache.keys(0, 0), lowest - 1, 16), static_cast<float>(lowest - 1));
}

TEST(KvCache, RewindOfAForkLeavesTheOtherAlone) {
  KvCache cache(shape(0));
  append(cache, 10, 0);
  KvCache other = cache;
  cache.truncate(4);
  append(cache, 2, 700);
  EXPECT_EQ(read(other.keys(0, 0), 4, 16), 4.0f);
  EXPECT_EQ(read(cache.keys(0, 0), 4, 16), 704.0f);
}

TEST(KvCache, CountsItsBytes) {
  KvCache cache(shape(0));
  EXPECT_EQ(cache.bytes(), 0u);
  append(cache, 1, 0);
  // keys and values, f32: layer 0 has 2 heads of 16, layer 1 one of 32.
  EXPECT_EQ(cache.bytes(), static_cast<uint64_t>(kBlock * 2 * 4 * (2 * 16 + 32)));
}

TEST(KvCache, FillsWithFiniteNumbersUpToTheWindow) {
  KvCache cache(shape(100));
  cache.fill_for_bench(3);
  cache.fill_for_bench(500);
  EXPECT_EQ(cache.length(), 503);
  for (const auto& [layer, head, dim, first] :
       {std::tuple{0, 0, 16, 503 - 100}, {0, 1, 16, 503 - 100}, {1, 0, 32, 0}}) {
    double sum = 0;
    for (int64_t position = first; position < 503; ++position) {
      for (const KvView& view : {cache.keys(layer, head), cache.values(layer, head)}) {
        const float value = read(view, position, dim);
        EXPECT_GE(std::abs(value), 0.5f);
        EXPECT_LT(std::abs(value), 1.0f);
        sum += value;
      }
    }
    EXPECT_LT(std::abs(sum), 0.3 * 2 * (503 - first));  // both signs
  }
}

TEST(KvCache, BytesReadSaturateAtTheWindow) {
  KvShape two = *shape(100);
  EXPECT_EQ(two.bytes_read(0), 2u * (2 * 16 + 32) * 4);
  EXPECT_EQ(two.bytes_read(499), 2u * (100 * 2 * 16 + 500 * 32) * 4);
  two.bf16 = true;
  EXPECT_EQ(two.bytes_read(499), 2u * (100 * 2 * 16 + 500 * 32) * 2);
}

}  // namespace
}  // namespace octavo
