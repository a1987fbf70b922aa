// session: the decoders that keep a conversation's keys and values between turns.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "engine/decoder.h"

namespace octavo {

/// The live sequence, and a fork of it as it was at the end of the last user turn's prompt. When
/// the next prompt leaves out a long train of thought, the sliding windows of the live sequence may
/// have moved on too far to rewind it; the fork has not moved.
class PromptCache {
 public:
  explicit PromptCache(std::function<std::unique_ptr<Decoder>()> make_decoder)
      : make_decoder_(std::move(make_decoder)) {}

  /// Chooses the better of the two for `prompt` and returns how many tokens of it are cached:
  /// pictures before that need no features.
  size_t reusable(const PromptView& prompt);

  /// Makes the live decoder hold `prompt` and returns how many tokens were cached. With `user_turn`
  /// the fork is renewed.
  size_t prefill(const PromptView& prompt, bool user_turn, const std::atomic<bool>* cancelled);

  Decoder& decoder() { return *live_; }
  void clear();
  PromptCache fork() const;

 private:
  std::function<std::unique_ptr<Decoder>()> make_decoder_;
  std::unique_ptr<Decoder> live_;
  std::unique_ptr<Decoder> snapshot_;
};

}  // namespace octavo
