#include "base/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "base/cpu_topology.h"
#include "octavo/error.h"

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

TEST_P(Pool, CoversTheCountInPiecesAtMultiplesOfTheGrain) {
  for (size_t count : {0, 1, 2, 3, 4, 5, 7, 16, 63, 64, 65, 1000}) {
    for (size_t grain : {1, 2, 8, 64}) {
      size_t covered = 0;
      for (const auto& [begin, end] : ranges_of(pool_, count, grain)) {
        EXPECT_EQ(begin, covered);
        EXPECT_LT(begin, end);
        EXPECT_EQ(begin % grain, 0u);
        covered = end;
      }
      EXPECT_EQ(covered, count);
    }
  }
}

TEST_P(Pool, CutsTheSameWayEveryTimeAndEvenly) {
  const Ranges first = ranges_of(pool_, 10000, 8);
  if (GetParam() == 1) {
    EXPECT_EQ(first, (Ranges{{0, 10000}}));
  } else {
    EXPECT_GE(first.size(), static_cast<size_t>(4 * GetParam()));
  }
  for (const auto& [begin, end] : first) {
    EXPECT_NEAR(static_cast<double>(end - begin), 10000.0 / static_cast<double>(first.size()), 8);
  }
  ThreadPool other(GetParam());
  for (int repeat = 0; repeat < 20; ++repeat) {
    EXPECT_EQ(ranges_of(pool_, 10000, 8), first);
    EXPECT_EQ(ranges_of(other, 10000, 8), first);
  }
}

// A member that is stuck delays the loop by its one piece only: the others take the rest over.
TEST_P(Pool, PiecesOfALateThreadAreTakenOver) {
  if (GetParam() == 1) return;
  constexpr size_t kCount = 10000;
  const size_t pieces = ranges_of(pool_, kCount, 1).size();
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::atomic<size_t> done{0};
    std::atomic<bool> stuck{false};
    pool_.parallel_for(kCount, 1, [&](size_t, size_t) {
      // The first waits until all other pieces are done, which it can only see if others do them.
      if (!stuck.exchange(true)) {
        while (done.load() + 1 < pieces) std::this_thread::yield();
      }
      ++done;
    });
    EXPECT_EQ(done, pieces);
  }
}

TEST_P(Pool, WakesUpAfterAPause) {
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::this_thread::sleep_for(std::chrono::milliseconds(repeat % 3));
    std::atomic<int> begun{0};
    // Every member must come: each item waits for the others.
    pool_.parallel_items(static_cast<size_t>(GetParam()), [&](size_t, int) {
      ++begun;
      while (begun.load() < GetParam()) std::this_thread::yield();
    });
    EXPECT_EQ(begun, GetParam());
  }
}

TEST_P(Pool, MayBeCalledFromOneThreadAfterAnother) {
  for (int repeat = 0; repeat < 5; ++repeat) {
    std::thread([&] { EXPECT_EQ(ranges_of(pool_, 1000, 1).back().second, 1000u); }).join();
  }
}

TEST(BusyPool, ManyMoreThreadsThanCoresFinish) {
  ThreadPool pool(32);
  std::vector<int> values(1000);
  for (int repeat = 1; repeat <= 200; ++repeat) {
    pool.parallel_for(values.size(), 1, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) ++values[i];
    });
    ASSERT_EQ(std::accumulate(values.begin(), values.end(), 0), repeat * 1000);
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

TEST(Pinning, EachThreadOnACoreOfItsOwn) {
  // In a thread, since a caller stays pinned.
  std::thread([] {
    const std::vector<CpuCore>& cores = process_cores();
    ThreadPool pool(0, true);
    std::vector<int> cpus(static_cast<size_t>(pool.size()), -1);
    std::atomic<int> begun{0};
    pool.parallel_items(cpus.size(), [&](size_t, int worker) {
      ++begun;
      while (begun.load() < pool.size()) std::this_thread::yield();
      cpus[static_cast<size_t>(worker)] = sched_getcpu();
    });
    for (size_t i = 0; i < cpus.size(); ++i) EXPECT_EQ(cpus[i], cores[i].cpu);
  }).join();
}

TEST(Pinning, RefusesMoreThreadsThanCores) {
  const int threads = static_cast<int>(process_cores().size()) + 1;
  try {
    ThreadPool pool(threads, true);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadRequest);
    EXPECT_THAT(error.what(), testing::HasSubstr("physical cores"));
  }
}

TEST(DefaultSize, IsTheNumberOfThreadsWorthStarting) {
  EXPECT_EQ(ThreadPool().size(), default_threads());
}

}  // namespace
}  // namespace octavo
