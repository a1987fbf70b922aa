#include "session/feature_cache.h"

#include <chrono>
#include <exception>
#include <utility>

#include "base/fail.h"

namespace octavo {
namespace {

uint64_t bytes_of(const Tensor& features) {
  return static_cast<uint64_t>(features.rows()) * static_cast<uint64_t>(padded(features.cols())) *
         sizeof(float);
}

}  // namespace

FeatureCache::Found FeatureCache::get(const ImageIdentity& identity, FunctionRef<Tensor()> encode,
                                      const std::atomic<bool>& cancelled) {
  constexpr auto kPollCancelled = std::chrono::milliseconds(10);  // nobody notifies of it
  std::unique_lock lock(mutex_);
  for (;;) {
    if (cancelled.load(std::memory_order_relaxed)) {
      fail(ErrorCode::kCancelled, "cancelled while looking at pictures");
    }
    if (Features known = find(identity)) return {std::move(known), false};
    if (being_encoded_.insert(identity).second) break;
    one_is_done_.wait_for(lock, kPollCancelled);
  }
  lock.unlock();
  Features features;
  std::exception_ptr failure;
  try {
    features = std::make_shared<const Tensor>(encode());
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  being_encoded_.erase(identity);
  one_is_done_.notify_all();
  if (failure) std::rethrow_exception(failure);
  keep(identity, features);
  return {features, true};
}

FeatureCache::Features FeatureCache::find(const ImageIdentity& identity) {
  const auto known = by_identity_.find(identity);
  if (known == by_identity_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, known->second);
  return known->second->features;
}

void FeatureCache::keep(const ImageIdentity& identity, const Features& features) {
  const uint64_t bytes = bytes_of(*features);
  if (bytes > max_bytes_) return;
  evict_down_to(max_bytes_ - bytes);
  entries_.push_front({identity, features, bytes});
  by_identity_[identity] = entries_.begin();
  bytes_ += bytes;
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
