// session: encoded pictures, kept for later prompts by their content.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>

#include "backend/tensor.h"
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
  /// The features kept under `identity`, else those that `encode` makes. One picture is encoded at
  /// a time, so that two sessions that ask for the same one encode it once.
  Found get(const ImageIdentity& identity, const std::function<Tensor()>& encode);

  uint64_t bytes() const;

 private:
  struct Entry {
    ImageIdentity identity;
    Features features;
    uint64_t bytes;
  };

  void evict_down_to(uint64_t bytes);

  const uint64_t max_bytes_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // asked for last: first
  std::map<ImageIdentity, std::list<Entry>::iterator> by_identity_;
  uint64_t bytes_ = 0;
};

}  // namespace octavo
