// base: the persistent pool that every parallel loop of Octavo runs on.
#pragma once

#include <cstddef>
#include <memory>

#include "base/function_ref.h"

namespace octavo {

/// A fixed set of threads that run one loop at a time. Each has a range of its own, cut into
/// pieces, and takes pieces over from those that are late, so a core that something else keeps busy
/// costs its share and no more. The pieces depend on the sizes alone; who computes one does not
/// matter to loops whose elements are independent, and all must be. Starting a loop never
/// allocates.
class ThreadPool {
 public:
  /// `threads` counts the calling thread; 0 means default_threads(). With `pin` each thread keeps
  /// to a physical core, node by node; so does every thread that calls a loop, from then on.
  /// Throws kBadRequest if there are fewer cores to pin to, kIo if the system refuses a thread.
  explicit ThreadPool(int threads = 0, bool pin = false);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;

  /// Calls body(begin, end) for pieces of [0, count) whose borders are multiples of `grain`; the
  /// pieces of a range come in ascending order. One thread alone gets the whole in one call.
  /// Returns when all are done. The first exception thrown by a body is rethrown here. Not
  /// reentrant: call from one thread at a time.
  void parallel_for(size_t count, size_t grain, FunctionRef<void(size_t begin, size_t end)> body);

  /// Calls body(index, worker) for each index of [0, count), ascending, taken from one shared
  /// counter: for few large items of unequal cost. No two threads have the same `worker`.
  void parallel_items(size_t count, FunctionRef<void(size_t index, int worker)> body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace octavo
