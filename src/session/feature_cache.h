// session: encoded pictures, kept for later prompts by their content.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "backend/tensor.h"
#include "base/function_ref.h"
#include "engine/prompt.h"

namespace octavo {

/// Holds at most `max_bytes` of features; those asked for longest ago go first. Any thread may ask.
class FeatureCache {
 public:
  using Features = std::shared_ptr<const Tensor>;

  explicit FeatureCache(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  struct Found {
    Features features;
    bool encoded;  // by this call
  };
  /// The features kept under `identity`, else those that `encode` makes. Two sessions that ask for
  /// the same picture encode it once: the second waits, and only if the first fails makes its own.
  /// Throws kCancelled when `cancelled` is set before features are found or while they are waited
  /// for.
  Found get(const ImageIdentity& identity, FunctionRef<Tensor()> encode,
            const std::atomic<bool>& cancelled);

  uint64_t bytes() const;

 private:
  struct Entry {
    ImageIdentity identity;
    Features features;
    uint64_t bytes;
  };

  /// Those that are kept, which get younger; null if there are none. Needs the lock.
  Features find(const ImageIdentity& identity);
  /// Needs the lock.
  void keep(const ImageIdentity& identity, const Features& features);
  void evict_down_to(uint64_t bytes);

  const uint64_t max_bytes_;
  mutable std::mutex mutex_;  // not held while a picture is encoded
  std::set<ImageIdentity> being_encoded_;
  std::condition_variable one_is_done_;
  std::list<Entry> entries_;  // asked for last: first
  std::map<ImageIdentity, std::list<Entry>::iterator> by_identity_;
  uint64_t bytes_ = 0;
};

}  // namespace octavo
