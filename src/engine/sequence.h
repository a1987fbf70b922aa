// engine: one token sequence with its KV cache: extend, rewind, fork.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/prompt.h"
#include "model/language_model.h"

namespace octavo {

/// The tokens and pictures whose keys and values are cached, and the logits after the last of them.
/// Copies share the cached blocks (fork); writing to a shared block copies it first.
///
/// A picture is computed whole or not at all: in sliding layers each of its tokens sees the whole
/// of it. So no chunk ends inside a picture (one longer than a chunk gets a chunk of its own), and
/// neither does what is kept.
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
  /// Makes the sequence hold exactly `prompt` (at least 1 token): keeps the longest common prefix
  /// (the same tokens, the same pictures) that the sliding windows still allow, computes the rest
  /// in chunks. Afterwards logits() belongs to the last token. `cancelled` is polled between
  /// chunks; when set, kCancelled is thrown and the sequence holds what was computed so far. Throws
  /// kBadRequest for a token outside the vocabulary, more tokens than the model's context, or
  /// pictures that do not fit their runs; it then holds what it held before.
  Assigned assign(const PromptView& prompt, const std::atomic<bool>* cancelled = nullptr,
                  const std::function<void(size_t done, size_t total)>& progress = {});

  /// How many leading tokens of `prompt` assign() would keep. Pictures before that need no
  /// features.
  size_t reusable(const PromptView& prompt) const;

  /// One decode step: appends a token and computes its logits.
  void append(int32_t token);

  std::span<const int32_t> tokens() const { return tokens_; }
  /// [vocab] after the softcap, of the last token; valid until the next assign/append.
  std::span<const float> logits() const { return logits_; }

 private:
  void check(std::span<const int32_t> tokens) const;
  void check_images(const PromptView& prompt, size_t reused) const;
  void compute(std::span<const int32_t> tokens, std::span<const PromptImage> images,
               bool want_logits, Phase phase);

  LanguageModel* model_;
  int prefill_chunk_;
  std::vector<int32_t> tokens_;
  std::vector<PromptImage> images_;  // without their features
  std::vector<float> logits_;
  KvCache cache_;
};

}  // namespace octavo
