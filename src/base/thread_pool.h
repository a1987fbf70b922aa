// base: the persistent pool that every parallel loop of Octavo runs on.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace octavo {

/// A fixed set of threads that run one loop at a time. Work is split statically, so which thread
/// computes an element depends on the sizes alone, never on timing.
class ThreadPool {
 public:
  /// `threads` counts the calling thread; 0 means one per physical core that this process may use.
  /// Throws kIo if the system refuses to start so many.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;

  /// Splits [0, count) into `size()` contiguous ranges whose borders are multiples of `grain` and
  /// calls body(begin, end) for each non-empty one. Returns when all are done. The first exception
  /// thrown by a body is rethrown here. Not reentrant: call from one thread at a time.
  void parallel_for(size_t count, size_t grain,
                    const std::function<void(size_t begin, size_t end)>& body);

  /// Calls body(index, worker) for each index of [0, count), taken from a shared counter: for work
  /// items of unequal cost whose results do not depend on who computes them.
  void parallel_items(size_t count, const std::function<void(size_t index, int worker)>& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Physical cores that this process may run on (at least 1).
int physical_cores();

}  // namespace octavo
