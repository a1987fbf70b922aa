#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace octavo {
namespace {

using Ranges = std::vector<std::pair<size_t, size_t>>;

Ranges ranges_of(ThreadPool& pool, size_t count, size_t grain) {
  Ranges ranges;
  std::mutex mutex;
  pool.parallel_for(count, grain, [&](size_t begin, size_t end) {
    const std::lock_guard lock(mutex);
    ranges.emplace_back(begin, end);
  });
  std::sort(ranges.begin(), ranges.end());
  return ranges;
}

class Pool : public testing::TestWithParam<int> {
 protected:
  ThreadPool pool_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Sizes, Pool, testing::Values(1, 2, 3, 4));

TEST_P(Pool, HasItsSize) {
  EXPECT_EQ(pool_.size(), GetParam());
}

TEST_P(Pool, SplitsIntoContiguousRangesAtMultiplesOfTheGrain) {
  for (size_t count : {0, 1, 2, 3, 4, 5, 7, 16, 63, 64, 65, 1000}) {
    for (size_t grain : {1, 2, 8, 64}) {
      const Ranges ranges = ranges_of(pool_, count, grain);
      ASSERT_LE(ranges.size(), static_cast<size_t>(GetParam()));
      size_t covered = 0;
      for (const auto& [begin, end] : ranges) {
        EXPECT_EQ(begin, covered);
        EXPECT_LT(begin, end);
        EXPECT_EQ(begin % grain, 0u);
        covered = end;
      }
      EXPECT_EQ(covered, count);
    }
  }
}

TEST_P(Pool, SplitsTheSameWayEveryTimeAndEvenly) {
  const Ranges first = ranges_of(pool_, 1000, 8);
  ASSERT_EQ(first.size(), static_cast<size_t>(GetParam()));
  for (const auto& [begin, end] : first) {
    EXPECT_NEAR(static_cast<double>(end - begin), 1000.0 / GetParam(), 8);
  }
  ThreadPool other(GetParam());
  for (int repeat = 0; repeat < 20; ++repeat) {
    EXPECT_EQ(ranges_of(pool_, 1000, 8), first);
    EXPECT_EQ(ranges_of(other, 1000, 8), first);
  }
}

TEST_P(Pool, ALoopIsOverWhenTheCallReturns) {
  std::vector<int> values(257);
  for (int repeat = 1; repeat <= 500; ++repeat) {
    pool_.parallel_for(values.size(), 1, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) ++values[i];
    });
    ASSERT_EQ(std::accumulate(values.begin(), values.end(), 0), repeat * 257);
  }
}

TEST_P(Pool, ItemsAreDoneOnceByWorkersInRange) {
  for (size_t count : {0, 1, 3, 100}) {
    std::vector<std::atomic<int>> done(count);
    std::atomic<bool> in_range{true};
    pool_.parallel_items(count, [&](size_t index, int worker) {
      ++done[index];
      if (worker < 0 || worker >= GetParam()) in_range = false;
    });
    for (const auto& times : done) EXPECT_EQ(times, 1);
    EXPECT_TRUE(in_range);
  }
}

// A worker's index is a thread of its own: scratch memory by worker is not shared.
TEST_P(Pool, NoTwoThreadsShareAWorkerIndex) {
  std::mutex mutex;
  std::set<std::pair<int, std::thread::id>> seen;
  pool_.parallel_items(2000, [&](size_t, int worker) {
    const std::lock_guard lock(mutex);
    seen.emplace(worker, std::this_thread::get_id());
  });
  std::set<int> workers;
  for (const auto& [worker, thread] : seen) workers.insert(worker);
  EXPECT_EQ(workers.size(), seen.size());
}

TEST_P(Pool, RethrowsAndStaysUsable) {
  for (int repeat = 0; repeat < 50; ++repeat) {
    EXPECT_THROW(pool_.parallel_for(100, 1,
                                    [](size_t begin, size_t end) {
                                      if (begin <= 99 && 99 < end) throw std::runtime_error("x");
                                    }),
                 std::runtime_error);
    EXPECT_THROW(
        pool_.parallel_for(100, 1, [](size_t, size_t) { throw std::runtime_error("all"); }),
        std::runtime_error);
    EXPECT_THROW(pool_.parallel_items(100,
                                      [](size_t index, int) {
                                        if (index == 13) throw std::invalid_argument("y");
                                      }),
                 std::invalid_argument);
    size_t sum = 0;
    for (const auto& [begin, end] : ranges_of(pool_, 100, 1)) sum += end - begin;
    ASSERT_EQ(sum, 100u);
  }
}

TEST(PhysicalCores, AtLeastOneAndTheDefaultSize) {
  EXPECT_GE(physical_cores(), 1);
  EXPECT_LE(physical_cores(), static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  EXPECT_EQ(ThreadPool().size(), physical_cores());
}

}  // namespace
}  // namespace octavo
