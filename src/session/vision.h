// session: the eyes of a model: pictures to patches to features, with the cache of features.
#pragma once

#include <atomic>
#include <functional>
#include <span>

#include "session/feature_cache.h"
#include "session/media.h"

namespace octavo {

class Vision {
 public:
  /// May throw kCancelled when the flag is set. Is called by any number of threads.
  using Encode = std::function<Tensor(const ImagePatches&, const std::atomic<bool>& cancelled)>;

  Vision(const PatchOptions& shape, Encode encode, uint64_t cache_bytes)
      : shape_(shape), encode_(std::move(encode)), cache_(cache_bytes) {}

  /// How the tower wants its pictures, but for their budget.
  const PatchOptions& shape() const { return shape_; }

  /// Gives the pictures of `prompt` from token `cached` on their features; `media` is where they
  /// come from. Returns how many had to be encoded. Throws kCancelled when `cancelled` is set.
  int64_t fill_in_features(Prompt& prompt, std::span<const Media> media, size_t cached,
                           const std::atomic<bool>& cancelled);

 private:
  PatchOptions shape_;
  Encode encode_;
  FeatureCache cache_;
};

}  // namespace octavo
