// Blocks of the KV cache: fork, copy on write, expiry behind the window, rewind.
#include "backend/kv_cache.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>
#include <tuple>

#include "kernels/kernels.h"

namespace octavo {
namespace {

constexpr int64_t kBlock = KvCache::kBlockTokens;

std::shared_ptr<const KvShape> shape(int64_t window) {
  auto result = std::make_shared<KvShape>();
  result->layers = {{2, 16, window}, {1, 32, 0}};
  result->format = KvFormat::kF32;
  return result;
}

float element(const KvView& view, int64_t position, int64_t index) {
  float value;
  std::memcpy(&value, view.blocks[position / kBlock] + view.offset + index * 4, 4);
  return value;
}

/// The first element of a position's key or value, in f32.
float read_key(const KvView& view, int64_t position) {
  return element(view, position, view.layout.key_index(position % kBlock, 0));
}
float read_value(const KvView& view, int64_t position) {
  return element(view, position,
                 kBlock * view.layout.head_dim + view.layout.value_index(position % kBlock, 0));
}

/// Appends `count` positions; every head of every layer holds `base` + position.
void append(KvCache& cache, int64_t count, float base) {
  cache.reserve(count);
  for (int64_t p = cache.length(); p < cache.length() + count; ++p) {
    for (int64_t layer = 0; layer < 2; ++layer) {
      for (int64_t head = 0; head < cache.shape().layers[layer].kv_heads; ++head) {
        const float x = base + static_cast<float>(p) + 1000.0f * static_cast<float>(head);
        const std::vector<float> key(32, x), value(32, -x);
        kernels().write_kv(cache.shape().layout(layer), p % kBlock, key.data(), value.data(),
                           cache.head(layer, head, p));
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
    EXPECT_EQ(read_key(cache.view(0, 1), p), static_cast<float>(p) + 1000.0f);
    EXPECT_EQ(read_value(cache.view(1, 0), p), -static_cast<float>(p));
  }
}

TEST(KvCache, ForkedCachesDoNotSeeEachOther) {
  KvCache first(shape(0));
  append(first, kBlock + 5, 0);
  KvCache second = first;
  EXPECT_EQ(first.view(0, 0).blocks[0], second.view(0, 0).blocks[0]);
  append(first, 4, 100);
  append(second, 4, 200);
  EXPECT_EQ(read_key(first.view(0, 0), kBlock + 5), 100.0f + kBlock + 5);
  EXPECT_EQ(read_key(second.view(0, 0), kBlock + 5), 200.0f + kBlock + 5);
  EXPECT_EQ(read_key(second.view(0, 0), kBlock + 4), static_cast<float>(kBlock + 4));
  EXPECT_EQ(first.view(0, 0).blocks[0], second.view(0, 0).blocks[0]) << "full blocks stay shared";
}

TEST(KvCache, SlidingLayersLetGoOfOldBlocks) {
  KvCache cache(shape(kBlock));
  append(cache, 6 * kBlock, 0);
  EXPECT_EQ(cache.view(0, 0).blocks[0], nullptr);
  EXPECT_NE(cache.view(1, 0).blocks[0], nullptr);
  // Everything the next query sees is there.
  for (int64_t p = 5 * kBlock + 1; p < 6 * kBlock; ++p) {
    EXPECT_EQ(read_key(cache.view(0, 0), p), static_cast<float>(p));
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
  EXPECT_NE(cache.view(0, 0).blocks[oldest / kBlock], nullptr);
  EXPECT_EQ(cache.view(0, 0).blocks[(oldest - 1) / kBlock], nullptr);

  cache.truncate(lowest);
  append(cache, 10, 500);
  EXPECT_EQ(read_key(cache.view(0, 0), lowest), 500.0f + static_cast<float>(lowest));
  EXPECT_EQ(read_key(cache.view(0, 0), lowest - 1), static_cast<float>(lowest - 1));
}

TEST(KvCache, RewindOfAForkLeavesTheOtherAlone) {
  KvCache cache(shape(0));
  append(cache, 10, 0);
  KvCache other = cache;
  cache.truncate(4);
  append(cache, 2, 700);
  EXPECT_EQ(read_key(other.view(0, 0), 4), 4.0f);
  EXPECT_EQ(read_key(cache.view(0, 0), 4), 704.0f);
}

TEST(KvCache, CountsItsBytes) {
  KvCache cache(shape(0));
  EXPECT_EQ(cache.bytes(), 0u);
  append(cache, 1, 0);
  // keys and values, f32: layer 0 has 2 heads of 16, layer 1 one of 32.
  EXPECT_EQ(cache.bytes(), static_cast<uint64_t>(kBlock * 2 * 4 * (2 * 16 + 32)));

  auto small = std::make_shared<KvShape>(*shape(0));
  small->format = KvFormat::kInt8;
  KvCache bytes(small);
  append(bytes, 1, 0);
  EXPECT_EQ(bytes.bytes(), static_cast<uint64_t>(kBlock * 2 * (2 * (16 + 4) + 32 + 4)));
}

TEST(KvCache, BlocksThatExpiredServeAgain) {
  KvCache cache(shape(kBlock));
  append(cache, 4 * kBlock, 0);
  std::set<const std::byte*> seen;
  for (int64_t i = 0; i < 4; ++i) seen.insert(cache.view(0, 0).blocks[i]);
  for (int64_t i = 4; i < 40; ++i) {
    append(cache, kBlock, 0);
    seen.insert(cache.view(0, 0).blocks[i]);
  }
  seen.erase(nullptr);
  EXPECT_LE(seen.size(), 5u);
}

TEST(BlockPool, ReusesWhatWasGivenBackBySize) {
  const auto pool = std::make_shared<BlockPool>();
  Block a = pool->take(256);
  const std::byte* address = a.get();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(address) % 64, 0u);
  EXPECT_EQ(a[255], std::byte{0});
  a.reset();
  const Block other = pool->take(512), same = pool->take(256);
  EXPECT_EQ(same.get(), address);
  EXPECT_NE(other.get(), address);
}

TEST(BlockPool, BlocksOutliveTheirPoolsOwner) {
  auto pool = std::make_shared<BlockPool>();
  const Block block = pool->take(128);
  pool.reset();
  std::memset(block.get(), 1, 128);
  EXPECT_EQ(block[127], std::byte{1});
}

TEST(KvCache, FillsWithFiniteNumbersUpToTheWindow) {
  KvCache cache(shape(100));
  cache.fill_for_bench(3);
  cache.fill_for_bench(500);
  EXPECT_EQ(cache.length(), 503);
  for (const auto& [layer, head, first] :
       {std::tuple{0, 0, 503 - 100}, {0, 1, 503 - 100}, {1, 0, 0}}) {
    double sum = 0;
    for (int64_t position = first; position < 503; ++position) {
      const KvView view = cache.view(layer, head);
      for (const float value : {read_key(view, position), read_value(view, position)}) {
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
  two.format = KvFormat::kBF16;
  EXPECT_EQ(two.bytes_read(499), 2u * (100 * 2 * 16 + 500 * 32) * 2);
  // 8 bits: one byte and a scale of 4 per 32 elements or fewer.
  two.format = KvFormat::kInt8;
  EXPECT_EQ(two.bytes_read(499), 2u * (100 * 2 * (16 + 4) + 500 * (32 + 4)));
  two.layers[0].readers = 3;  // layers that share these keys and values
  EXPECT_EQ(two.bytes_read(499), 2u * (3 * 100 * 2 * (16 + 4) + 500 * (32 + 4)));
}

}  // namespace
}  // namespace octavo
