// engine: the operations a conversation needs of a token sequence, whoever computes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/prompt.h"

namespace octavo {

/// A token sequence whose next-token logits can be asked for. Sequence is behind it in earnest; a
/// scheduler that decodes many at once, or a script in a test, may be.
class Decoder {
 public:
  virtual ~Decoder() = default;

  /// Leading tokens of `prompt` whose keys and values assign() would not compute again; never a
  /// part of a picture. Pictures before that need no features.
  virtual size_t reusable(const PromptView& prompt) const = 0;

  /// Makes the sequence hold exactly `prompt` (at least 1 token) and returns how many tokens were
  /// reused. Throws kCancelled when `cancelled` becomes set.
  virtual size_t assign(const PromptView& prompt, const std::atomic<bool>* cancelled) = 0;

  virtual void append(int32_t token) = 0;

  virtual std::span<const int32_t> tokens() const = 0;

  /// [vocab], of the last token; valid until the next assign or append.
  virtual std::span<const float> logits() const = 0;

  /// An independent copy; it shares the cache until one of them writes.
  virtual std::unique_ptr<Decoder> fork() const = 0;
};

}  // namespace octavo
