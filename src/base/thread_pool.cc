#include "base/thread_pool.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/cpu_topology.h"
#include "base/fail.h"
#include "base/futex.h"

namespace octavo {
namespace {

// Between two loops of one token a few microseconds pass: spinning that long is cheaper than a
// sleep and a wake-up. Longer waits give the core back, to the very thread waited for if need be.
constexpr std::chrono::microseconds kSpinTime{60};
constexpr int kSpinsPerLookAtTheClock = 64;

// Pieces per thread. A thread that the scheduler took off its core in the middle of one delays the
// others by no more than it; taking one costs some 10 ns.
constexpr size_t kPieces = 16;
constexpr int kRemainingBits = 8;  // of a cursor
static_assert(kPieces < (1 << kRemainingBits));

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Whether `ready` came true within kSpinTime.
template <typename Condition>
bool spin_until(const Condition& ready) {
  const auto start = std::chrono::steady_clock::now();
  do {
    for (int spin = 0; spin < kSpinsPerLookAtTheClock; ++spin) {
      if (ready()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() - start < kSpinTime);
  return false;
}

}  // namespace

// A loop is a number of pieces, shared out over the members: the calling thread, which is number 0,
// and the workers. Whoever takes a piece from a member's cursor runs it and then counts it as
// finished; the loop is over when the counts add up. Nobody waits for a member that has taken
// nothing: it may be asleep, or its core may be busy with something else.
struct ThreadPool::Impl {
  using Body = FunctionRef<void(int member, size_t piece)>;

  // Each atomic that one thread writes and others poll has a cache line of its own.
  struct Member {
    // Number of the loop << kRemainingBits | pieces not yet taken. The number tells apart cursors
    // of equal remainder, so a piece can only be taken from the loop that is running.
    alignas(64) std::atomic<uint64_t> cursor{0};
    alignas(64) std::atomic<uint64_t> finished{0};  // pieces, of all loops
  };

  struct Job {
    const Body* body = nullptr;
    size_t pieces = 0;
  };

  explicit Impl(int threads, bool pinned) : pin(pinned), members(static_cast<size_t>(threads)) {
    try {
      for (int i = 1; i < threads; ++i) workers.emplace_back([this, i] { serve(i); });
      for (size_t i = 0; pin && i < workers.size(); ++i) {
        pin_thread(workers[i].native_handle(), process_cores()[i + 1].cpu);
      }
    } catch (const std::system_error& refused) {
      stop();  // those that run must not outlive the members they wait on
      fail(ErrorCode::kIo, "cannot start {} threads: {}", threads, refused.code().message());
    } catch (...) {
      stop();
      throw;
    }
  }

  ~Impl() { stop(); }

  void stop() {
    stopping = true;
    launch();
    for (auto& worker : workers) worker.join();
  }

  /// Borders of the pieces that belong to `member`.
  size_t share(size_t pieces, size_t member) const { return pieces * member / members.size(); }

  void run(size_t pieces, const Body& body) {
    job = {&body, pieces};
    started += pieces;
    ++loop;
    for (size_t i = 0; i < members.size(); ++i) {
      const uint64_t remaining = share(pieces, i + 1) - share(pieces, i);
      members[i].cursor.store(loop << kRemainingBits | remaining, std::memory_order_release);
    }
    launch();
    take_part(0);
    wait_for_the_others();
    if (failed.exchange(false, std::memory_order_relaxed)) {
      std::rethrow_exception(std::exchange(error, nullptr));
    }
  }

  void launch() {
    epoch.fetch_add(1);
    if (sleepers.load() > 0) futex_wake_all(epoch);
  }

  void wait_for_the_others() {
    const auto over = [this] {
      uint64_t finished = 0;
      for (const Member& member : members) finished += member.finished.load();
      return finished == started;
    };
    if (spin_until(over)) return;
    for (;;) {
      caller_sleeps.store(1);
      if (over()) break;
      futex_wait(caller_sleeps, 1);
    }
    caller_sleeps.store(0);
  }

  void serve(int self) {
    uint32_t seen = 0;
    for (;;) {
      const auto launched = [&] { return epoch.load() != seen; };
      if (!spin_until(launched)) {
        sleepers.fetch_add(1);
        while (!launched()) futex_wait(epoch, seen);
        sleepers.fetch_sub(1);
      }
      seen = epoch.load();
      if (stopping) return;
      take_part(self);
    }
  }

  /// Runs the own pieces, then what others have left.
  void take_part(int self) {
    const size_t own = static_cast<size_t>(self);
    for (size_t i = 0; i < members.size(); ++i) {
      const size_t owner = (own + i) % members.size();
      while (take_piece(self, owner)) {
      }
    }
  }

  bool take_piece(int self, size_t owner) {
    std::atomic<uint64_t>& cursor = members[owner].cursor;
    uint64_t value = cursor.load(std::memory_order_acquire), remaining;
    do {
      remaining = value & ((1 << kRemainingBits) - 1);
      if (remaining == 0) return false;
    } while (!cursor.compare_exchange_weak(value, value - 1, std::memory_order_acq_rel,
                                           std::memory_order_acquire));
    // `job` is this piece's and stays so until the piece counts as finished.
    run_piece(self, share(job.pieces, owner + 1) - remaining);
    std::atomic<uint64_t>& finished = members[static_cast<size_t>(self)].finished;
    finished.store(finished.load(std::memory_order_relaxed) + 1);
    if (caller_sleeps.load() != 0 && caller_sleeps.exchange(0) != 0) {
      futex_wake_all(caller_sleeps);
    }
    return true;
  }

  void run_piece(int self, size_t piece) {
    if (failed.load(std::memory_order_relaxed)) return;
    try {
      (*job.body)(self, piece);
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
    }
  }

  void pin_caller() const {
    thread_local bool pinned = false;
    if (!pin || pinned) return;
    pin_thread(::pthread_self(), process_cores()[0].cpu);
    pinned = true;
  }

  const bool pin;
  std::vector<Member> members;
  std::vector<std::thread> workers;

  // Written by the caller between loops.
  alignas(64) std::atomic<uint32_t> epoch{0};  // one more: look at the cursors
  Job job;
  std::atomic<bool> stopping{false};
  uint64_t loop = 0;
  uint64_t started = 0;  // pieces, of all loops

  alignas(64) std::atomic<uint32_t> sleepers{0};
  alignas(64) std::atomic<uint32_t> caller_sleeps{0};
  std::atomic<bool> failed{false};
  std::exception_ptr error;
};

namespace {

int checked_threads(int threads, bool pin) {
  if (threads <= 0) threads = default_threads();
  if (pin && process_cores().size() < static_cast<size_t>(threads)) {
    fail(ErrorCode::kBadRequest,
         "pinning: {} threads need as many physical cores, this process may use {}", threads,
         process_cores().size());
  }
  return threads;
}

}  // namespace

ThreadPool::ThreadPool(int threads, bool pin)
    : impl_(std::make_unique<Impl>(checked_threads(threads, pin), pin)) {}

ThreadPool::~ThreadPool() = default;

int ThreadPool::size() const {
  return static_cast<int>(impl_->members.size());
}

void ThreadPool::parallel_for(size_t count, size_t grain, FunctionRef<void(size_t, size_t)> body) {
  impl_->pin_caller();
  const size_t grains = (count + grain - 1) / grain;
  if (size() == 1 || grains <= 1) {
    if (count > 0) body(0, count);
    return;
  }
  const size_t pieces = std::min(grains, static_cast<size_t>(size()) * kPieces);
  impl_->run(pieces, [&](int, size_t piece) {
    body(grains * piece / pieces * grain, std::min(count, grains * (piece + 1) / pieces * grain));
  });
}

void ThreadPool::parallel_items(size_t count, FunctionRef<void(size_t, int)> body) {
  impl_->pin_caller();
  std::atomic<size_t> next{0};
  impl_->run(static_cast<size_t>(size()), [&](int member, size_t) {
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(i, member);
  });
}

}  // namespace octavo
