#include "session/prompt_cache.h"

namespace octavo {

size_t PromptCache::prefill(std::span<const int32_t> prompt, bool user_turn,
                            const std::atomic<bool>* cancelled) {
  if (!live_) live_ = make_decoder_();
  if (snapshot_ && snapshot_->reusable(prompt) > live_->reusable(prompt)) live_ = snapshot_->fork();
  const size_t cached = live_->assign(prompt, cancelled);
  if (user_turn) snapshot_ = live_->fork();
  return cached;
}

void PromptCache::clear() {
  live_.reset();
  snapshot_.reset();
}

PromptCache PromptCache::fork() const {
  PromptCache copy(make_decoder_);
  if (live_) copy.live_ = live_->fork();
  if (snapshot_) copy.snapshot_ = snapshot_->fork();
  return copy;
}

}  // namespace octavo
