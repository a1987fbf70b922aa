#include "session/feature_cache.h"

namespace octavo {
namespace {

uint64_t bytes_of(const Tensor& features) {
  return static_cast<uint64_t>(features.rows()) * static_cast<uint64_t>(padded(features.cols())) *
         sizeof(float);
}

}  // namespace

FeatureCache::Found FeatureCache::get(const ImageIdentity& identity,
                                      const std::function<Tensor()>& encode) {
  const std::lock_guard lock(mutex_);
  if (const auto known = by_identity_.find(identity); known != by_identity_.end()) {
    entries_.splice(entries_.begin(), entries_, known->second);
    return {known->second->features, false};
  }
  const Features features = std::make_shared<const Tensor>(encode());
  const uint64_t bytes = bytes_of(*features);
  if (bytes <= max_bytes_) {
    evict_down_to(max_bytes_ - bytes);
    entries_.push_front({identity, features, bytes});
    by_identity_[identity] = entries_.begin();
    bytes_ += bytes;
  }
  return {features, true};
}

void FeatureCache::evict_down_to(uint64_t bytes) {
  while (bytes_ > bytes) {
    bytes_ -= entries_.back().bytes;
    by_identity_.erase(entries_.back().identity);
    entries_.pop_back();
  }
}

uint64_t FeatureCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace octavo
