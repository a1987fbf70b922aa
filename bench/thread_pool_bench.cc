// The thread pool: what a loop costs that has nothing to do, awake and asleep, and how long a fixed
// amount of work takes with one thread and with all, alone and beside a thread that is always busy.
#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>

#include "base/cpu_topology.h"
#include "base/thread_pool.h"

namespace octavo {
namespace {

constexpr size_t kElements = 1024;

/// Some microseconds on one core: a chain of additions, which the compiler must keep.
const auto work = [](size_t begin, size_t end) {
  for (; begin != end; ++begin) {
    uint64_t sum = begin;
    for (int i = 0; i < 3000; ++i) {
      sum += 3;
      asm volatile("" : "+r"(sum));
    }
  }
};

void EmptyLoop(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  for (auto _ : state) pool.parallel_for(kElements, 1, [](size_t, size_t) {});
}

/// The pause is longer than the pool spins: the caller wakes its threads up, and need not wait
/// until they are.
void EmptyLoopAfterAPause(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto start = std::chrono::steady_clock::now();
    pool.parallel_for(kElements, 1, [](size_t, size_t) {});
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    state.SetIterationTime(taken.count());
  }
}

void Work(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  for (auto _ : state) pool.parallel_for(kElements, 1, work);
}

void WorkBesideABusyThread(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  std::atomic<bool> done{false};
  std::thread busy([&] {
    while (!done.load(std::memory_order_relaxed)) work(0, 1);
  });
  for (auto _ : state) pool.parallel_for(kElements, 1, work);
  done = true;
  busy.join();
}

void one_and_all(benchmark::internal::Benchmark* bench) {
  const int all = default_threads();
  bench->Arg(1);
  if (all > 1) bench->Arg(all);
  bench->ArgName("threads")->UseRealTime()->Unit(benchmark::kMicrosecond);
}

BENCHMARK(EmptyLoop)->Apply(one_and_all);
BENCHMARK(EmptyLoopAfterAPause)
    ->ArgName("threads")
    ->Arg(default_threads())
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(500);
BENCHMARK(Work)->Apply(one_and_all);
BENCHMARK(WorkBesideABusyThread)->Apply(one_and_all);

}  // namespace
}  // namespace octavo
