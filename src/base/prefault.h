// base: bringing mapped files into memory in the background, before they are needed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <thread>
#include <vector>

namespace octavo {

/// Reads mappings from front to back, far faster on a cold disk than the page faults of a forward
/// pass, and takes those faults off the first token. Runs at low priority, stops when destroyed
/// and never touches a page itself: a file that was shortened does it no harm.
class Prefault {
 public:
  using Mapping = std::span<const std::byte>;  // starts at a page

  /// `mappings` must stay mapped. With `cpus`, one thread on each, which share the work piece by
  /// piece: page cache and page tables then spread over their memory nodes.
  explicit Prefault(std::vector<Mapping> mappings, const std::vector<int>& cpus = {},
                    std::optional<uint64_t> available = available_memory());
  ~Prefault();
  Prefault(const Prefault&) = delete;
  Prefault& operator=(const Prefault&) = delete;

  uint64_t total() const { return total_; }                                // bytes
  uint64_t done() const { return done_.load(std::memory_order_relaxed); }  // of them
  bool running() const { return running_.load(std::memory_order_acquire) > 0; }
  /// Nothing was read ahead because it would push out what is needed: more than four fifths of the
  /// available memory.
  bool too_large() const { return too_large_; }

  /// What the system can give without swapping, its page cache included; empty if unknown.
  static std::optional<uint64_t> available_memory();

 private:
  void work();
  void populate(Mapping piece) const;

  std::vector<Mapping> pieces_;
  uint64_t total_ = 0;
  bool too_large_ = false;
  std::atomic<size_t> next_{0};
  std::atomic<uint64_t> done_{0};
  std::atomic<int> running_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace octavo
