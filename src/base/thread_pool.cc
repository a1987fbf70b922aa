#include "base/thread_pool.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/fail.h"

namespace octavo {
namespace {

// Between two loops of one token a few microseconds pass: spinning that long is cheaper than a
// sleep and a wake-up. Longer waits give the core back.
constexpr int kSpins = 4000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

struct ThreadPool::Impl {
  using Task = std::function<void(int worker)>;

  explicit Impl(int threads) {
    try {
      for (int i = 1; i < threads; ++i) workers.emplace_back([this, i] { work(i); });
    } catch (const std::system_error& refused) {
      stop();  // those that run must not outlive the members they wait on
      fail(ErrorCode::kIo, "cannot start {} threads: {}", threads, refused.code().message());
    }
  }

  ~Impl() { stop(); }

  void stop() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
      generation.fetch_add(1, std::memory_order_release);
    }
    wake.notify_all();
    for (auto& worker : workers) worker.join();
  }

  void run(const Task& body) {
    if (workers.empty()) return body(0);
    {
      const std::lock_guard lock(mutex);
      task = &body;
      error = nullptr;
      pending.store(static_cast<int>(workers.size()), std::memory_order_relaxed);
      generation.fetch_add(1, std::memory_order_release);
    }
    wake.notify_all();
    guarded(body, 0);
    for (int spin = 0; pending.load(std::memory_order_acquire) != 0; ++spin) {
      if (spin < kSpins)
        pause();
      else
        std::this_thread::yield();
    }
    if (error) std::rethrow_exception(std::exchange(error, nullptr));
  }

  void guarded(const Task& body, int worker) {
    try {
      body(worker);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  }

  void work(int worker) {
    uint64_t seen = 0;
    for (;;) {
      for (int spin = 0; spin < kSpins; ++spin) {
        if (generation.load(std::memory_order_acquire) != seen) break;
        pause();
      }
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return generation.load(std::memory_order_acquire) != seen; });
        seen = generation.load(std::memory_order_relaxed);
        if (stopping) return;
      }
      guarded(*task, worker);
      pending.fetch_sub(1, std::memory_order_release);
    }
  }

  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> generation{0};
  std::atomic<int> pending{0};
  const Task* task = nullptr;
  std::exception_ptr error;
  bool stopping = false;
};

ThreadPool::ThreadPool(int threads)
    : impl_(std::make_unique<Impl>(threads > 0 ? threads : physical_cores())) {}

ThreadPool::~ThreadPool() = default;

int ThreadPool::size() const {
  return static_cast<int>(impl_->workers.size()) + 1;
}

void ThreadPool::parallel_for(size_t count, size_t grain,
                              const std::function<void(size_t, size_t)>& body) {
  const size_t grains = (count + grain - 1) / grain;
  const auto threads = static_cast<size_t>(size());
  if (threads == 1 || grains <= 1) {
    if (count > 0) body(0, count);
    return;
  }
  impl_->run([&](int worker) {
    const auto index = static_cast<size_t>(worker);
    const size_t begin = std::min(count, grains * index / threads * grain);
    const size_t end = std::min(count, grains * (index + 1) / threads * grain);
    if (begin < end) body(begin, end);
  });
}

void ThreadPool::parallel_items(size_t count, const std::function<void(size_t, int)>& body) {
  std::atomic<size_t> next{0};
  impl_->run([&](int worker) {
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(i, worker);
  });
}

int physical_cores() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    std::ifstream file(
        fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
    std::string siblings;
    if (!std::getline(file, siblings)) siblings = std::to_string(cpu);
    cores.insert(siblings);
  }
  return std::max<int>(1, static_cast<int>(cores.size()));
}

}  // namespace octavo
