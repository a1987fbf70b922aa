#include "session/feature_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace octavo {
namespace {

constexpr uint64_t kBytes = 4 * 16 * sizeof(float);  // of the features below

class FeatureCacheTest : public testing::Test {
 protected:
  bool encodes(FeatureCache& cache, uint8_t name) {
    const auto found = cache.get({name}, [&] {
      ++calls_;
      Tensor features(4, 16);
      features.row(0)[0] = name;
      return features;
    });
    EXPECT_EQ(found.features->row(0)[0], name);
    return found.encoded;
  }

  std::atomic<int> calls_ = 0;
};

TEST_F(FeatureCacheTest, EncodesAPictureOnce) {
  FeatureCache cache(10 * kBytes);
  EXPECT_TRUE(encodes(cache, 1));
  EXPECT_FALSE(encodes(cache, 1));
  EXPECT_TRUE(encodes(cache, 2));
  EXPECT_FALSE(encodes(cache, 1));
  EXPECT_EQ(calls_, 2);
  EXPECT_EQ(cache.bytes(), 2 * kBytes);
}

TEST_F(FeatureCacheTest, ForgetsWhatWasAskedForLongestAgo) {
  FeatureCache cache(3 * kBytes + kBytes / 2);
  for (uint8_t name : {1, 2, 3}) encodes(cache, name);
  EXPECT_FALSE(encodes(cache, 1));  // now the youngest
  EXPECT_TRUE(encodes(cache, 4));
  EXPECT_EQ(cache.bytes(), 3 * kBytes);
  EXPECT_FALSE(encodes(cache, 1));
  EXPECT_FALSE(encodes(cache, 3));
  EXPECT_TRUE(encodes(cache, 2));
}

TEST_F(FeatureCacheTest, WhatDoesNotFitIsNotKeptAndPushesNothingOut) {
  FeatureCache cache(kBytes);
  encodes(cache, 1);
  const auto large = [] { return Tensor(5, 16); };
  EXPECT_TRUE(cache.get({2}, large).encoded);
  EXPECT_TRUE(cache.get({2}, large).encoded);
  EXPECT_FALSE(encodes(cache, 1));
  FeatureCache none(0);
  EXPECT_TRUE(encodes(none, 1));
  EXPECT_TRUE(encodes(none, 1));
}

TEST_F(FeatureCacheTest, AFailureLeavesNothingBehind) {
  FeatureCache cache(10 * kBytes);
  EXPECT_THROW(cache.get({1}, []() -> Tensor { throw std::bad_alloc(); }), std::bad_alloc);
  EXPECT_EQ(cache.bytes(), 0u);
  EXPECT_TRUE(encodes(cache, 1));
}

TEST_F(FeatureCacheTest, ManyThreadsEncodeEachPictureOnce) {
  FeatureCache cache(100 * kBytes);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) encodes(cache, static_cast<uint8_t>((i * 7 + t) % 20));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(calls_, 20);
}

}  // namespace
}  // namespace octavo
