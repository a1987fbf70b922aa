#include "session/feature_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <new>
#include <thread>
#include <vector>

#include "octavo/error.h"

namespace octavo {
namespace {

constexpr uint64_t kBytes = 4 * 16 * sizeof(float);  // of the features below

class FeatureCacheTest : public testing::Test {
 protected:
  bool encodes(FeatureCache& cache, uint8_t name) {
    const auto found = cache.get(
        {name},
        [&] {
          ++calls_;
          Tensor features(4, 16);
          features.row(0)[0] = name;
          return features;
        },
        never_);
    EXPECT_EQ(found.features->row(0)[0], name);
    return found.encoded;
  }

  std::atomic<int> calls_ = 0;
  const std::atomic<bool> never_ = false;
};

/// Encodes a picture in a thread of its own until it is let go.
class SlowEncoding {
 public:
  SlowEncoding(FeatureCache& cache, uint8_t name, bool fails)
      : thread_([this, &cache, name, fails] { run(cache, name, fails); }) {
    begun_.wait(false);
  }
  ~SlowEncoding() {
    let_go();
    thread_.join();
  }
  void let_go() {
    go_on_ = true;
    go_on_.notify_all();
  }

 private:
  void run(FeatureCache& cache, uint8_t name, bool fails) {
    const std::atomic<bool> never = false;
    const auto encode = [&]() -> Tensor {
      begun_ = true;
      begun_.notify_all();
      go_on_.wait(false);
      if (fails) throw std::bad_alloc();
      return {4, 16};
    };
    try {
      cache.get({name}, encode, never);
    } catch (const std::bad_alloc&) {
      EXPECT_TRUE(fails);
    }
  }

  std::atomic<bool> begun_ = false, go_on_ = false;
  std::thread thread_;
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
  EXPECT_TRUE(cache.get({2}, large, never_).encoded);
  EXPECT_TRUE(cache.get({2}, large, never_).encoded);
  EXPECT_FALSE(encodes(cache, 1));
  FeatureCache none(0);
  EXPECT_TRUE(encodes(none, 1));
  EXPECT_TRUE(encodes(none, 1));
}

TEST_F(FeatureCacheTest, AFailureLeavesNothingBehind) {
  FeatureCache cache(10 * kBytes);
  EXPECT_THROW(cache.get({1}, []() -> Tensor { throw std::bad_alloc(); }, never_), std::bad_alloc);
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

TEST_F(FeatureCacheTest, NobodyWaitsForAnotherPicture) {
  FeatureCache cache(100 * kBytes);
  encodes(cache, 1);
  const SlowEncoding slow(cache, 2, /*fails=*/false);
  EXPECT_FALSE(encodes(cache, 1));
  EXPECT_TRUE(encodes(cache, 3));
}

TEST_F(FeatureCacheTest, WhoWaitsForThePictureItselfCanBeCancelled) {
  FeatureCache cache(100 * kBytes);
  const SlowEncoding slow(cache, 1, /*fails=*/false);
  std::atomic<bool> cancelled = false;
  std::thread cancels([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancelled = true;
  });
  try {
    cache.get({1}, [] { return Tensor(4, 16); }, cancelled);
    ADD_FAILURE() << "not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  cancels.join();
}

TEST_F(FeatureCacheTest, WhoWaitsForAFailureEncodesTheSamePicture) {
  FeatureCache cache(100 * kBytes);
  SlowEncoding slow(cache, 1, /*fails=*/true);
  std::thread waits([&] { EXPECT_TRUE(encodes(cache, 1)); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  slow.let_go();
  waits.join();
  EXPECT_EQ(calls_, 1);
}

}  // namespace
}  // namespace octavo
