// A loaded checkpoint, shared by any number of sessions.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/content.h"
#include "octavo/generation.h"

namespace octavo {

struct LoadOptions {
  int threads = 0;             // 0 = one per physical core, no more than a CPU quota pays for
  bool pin = false;            // each thread to a core of its own, the calling one included
  bool exact = false;          // float32 throughout: the yardstick, slower
  int kv_bits = 16;            // 8: half the memory for keys and values, less accurate
  int64_t context_length = 0;  // 0 = the checkpoint's own; never more than that
  int prefill_chunk = 512;     // prompt tokens per forward pass; results do not depend on it
  uint64_t image_cache_bytes = uint64_t{256} << 20;  // encoded pictures kept for later prompts
};

/// How far the weights are on their way from disk to memory. A model works meanwhile, more slowly.
struct LoadProgress {
  uint64_t done = 0, total = 0;  // bytes
  bool running = false;
  bool too_large = false;  // for the memory that is free: nothing is read ahead
};

/// Copies share the weights. Several threads may generate at once: their forward passes take turns.
class Model {
 public:
  /// Maps the weights of a folder (BF16 or quantised, HF or MLX names) and loads its tokenizer,
  /// chat template and generation_config.json. Throws octavo::Error.
  static Model load(const std::filesystem::path& folder, const LoadOptions& options = {});

  LoadProgress load_progress() const;

  int64_t vocab_size() const;
  int64_t context_length() const;
  uint64_t bytes_per_token() const;  // weight bytes read per decoded token

  bool can_see() const;  // pictures and videos; a model may have been saved without its eyes
  /// Prompt tokens that stand for an image, or for all frames of a video, under `config`'s budget.
  /// Throws kUnsupported for a model that cannot see.
  int64_t image_tokens(const ImageInput& image, const GenerationOptions& config = {}) const;
  int64_t video_tokens(const VideoInput& video, const GenerationOptions& config = {}) const;

  /// Ids of `text`, control tokens in it included; no BOS is added.
  std::vector<int32_t> encode(std::string_view text) const;
  std::string decode(std::span<const int32_t> tokens) const;

  /// Continues `text` without a chat template, from an empty cache: BOS, unless
  /// the text begins with it, then the text as it is.
  Result complete(std::string_view text, const GenerationOptions& config = {},
                  const EventCallback& callback = {}) const;

  struct Impl;
  explicit Model(std::shared_ptr<Impl> impl);  // for Octavo's own parts and tests
  Impl& impl() const { return *impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace octavo
