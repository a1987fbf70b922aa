// engine: one token sequence with its KV cache: extend, rewind, fork.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "model/language_model.h"

namespace octavo {

/// The tokens whose keys and values are cached, and the logits after the last of them. Copies share
/// the cached blocks (fork); writing to a shared block copies it first.
class Sequence {
 public:
  static constexpr int kDefaultPrefillChunk = 512;

  /// `model` must outlive the sequence.
  explicit Sequence(LanguageModel& model, int prefill_chunk = kDefaultPrefillChunk);

  Sequence fork() const;

  struct Assigned {
    size_t reused;    // tokens whose cache was kept
    size_t computed;  // tokens run through the model
  };
  /// Makes the sequence hold exactly `tokens` (at least 1): keeps the longest common prefix that
  /// the sliding windows still allow, computes the rest in chunks. Afterwards logits() belongs to
  /// the last token. `cancelled` is polled between chunks; when set, kCancelled is thrown and the
  /// sequence holds what was computed so far. Throws kBadRequest for a token outside the vocabulary
  /// or more tokens than the model's context.
  Assigned assign(std::span<const int32_t> tokens, const std::atomic<bool>* cancelled = nullptr,
                  const std::function<void(size_t done, size_t total)>& progress = {});

  /// How many leading tokens of `tokens` assign() would keep.
  size_t reusable(std::span<const int32_t> tokens) const;

  /// One decode step: appends a token and computes its logits.
  void append(int32_t token);

  std::span<const int32_t> tokens() const { return tokens_; }
  /// [vocab] after the softcap, of the last token; valid until the next assign/append.
  std::span<const float> logits() const { return logits_; }

 private:
  void check(std::span<const int32_t> tokens) const;
  void compute(std::span<const int32_t> tokens, bool want_logits);

  LanguageModel* model_;
  int prefill_chunk_;
  std::vector<int32_t> tokens_;
  std::vector<float> logits_;
  KvCache cache_;
};

}  // namespace octavo
