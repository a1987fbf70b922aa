#include "session/prompt_cache.h"

namespace octavo {

size_t PromptCache::reusable(const PromptView& prompt) {
  if (!live_) live_ = make_decoder_();
  const size_t cached = live_->reusable(prompt);
  const size_t earlier = snapshot_ ? snapshot_->reusable(prompt) : 0;
  if (earlier <= cached) return cached;
  live_ = snapshot_->fork();
  return earlier;
}

size_t PromptCache::prefill(const PromptView& prompt, bool user_turn,
                            const std::atomic<bool>* cancelled) {
  reusable(prompt);
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
