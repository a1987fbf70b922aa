// model: a loaded Gemma 4 text model: tokens in, logits out. Knows layers, not threads or SIMD.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "backend/kv_cache.h"
#include "backend/phase.h"
#include "backend/profile.h"
#include "backend/tensor.h"
#include "base/prefault.h"
#include "checkpoint/model_config.h"
#include "image/patches.h"

namespace octavo {

struct ModelOptions {
  bool exact = false;    // f32 KV cache and unrounded embedding scale: for parity checks
  bool int8_kv = false;  // 8-bit keys and values instead of BF16; not with `exact`
  int threads = 0;       // 0 = physical cores
  bool pin = false;      // each thread to a core of its own
};

/// `count` consecutive tokens of one sequence inside a PackedBatch.
struct Segment {
  KvCache* cache;  // holds the keys and values of positions [0, cache->length()); is extended
  int64_t count;
};

/// A picture inside a PackedBatch: its features take the place of the embeddings of
/// features->rows() consecutive tokens, all in one segment. A picture is never split over batches.
struct ImageRun {
  int64_t first_token;     // index into the tokens of the batch
  const Tensor* features;  // [soft tokens, hidden], from encode_image
};

/// Tokens of any number of sequences laid end to end, all in one phase. Prefill, decode and batches
/// are the same call.
struct PackedBatch {
  std::span<const int32_t> tokens;
  std::span<const Segment> segments;
  std::span<const int64_t> logit_rows;  // indices into `tokens`, ascending, whose logits are wanted
  std::span<const ImageRun> images = {};  // ascending
  Phase phase = Phase::kPrefill;
};

/// What the matrix products of a forward pass cost, for benchmarks.
struct ModelWork {
  uint64_t shared_bytes = 0;  // matrices that every pass with logits reads: all but the experts
  uint64_t row_bytes = 0;     // rows that a token reads of its own, of the tables of embeddings
  uint64_t expert_bytes = 0;  // one expert in each layer that has any
  int64_t top_k = 0;          // experts of a token
  uint64_t token_macs = 0;    // multiply-adds of one token in all layers
  uint64_t head_macs = 0;     // of one row of logits
};

/// Throws kUnsupported: pictures for a model that has no eyes. `folder` is its checkpoint's, where
/// that is known.
[[noreturn]] void refuse_pictures(const std::filesystem::path& folder = {});

class LanguageModel {
 public:
  /// Maps a checkpoint folder (BF16 or quantised, HF or MLX names) and binds its weights in place.
  static std::unique_ptr<LanguageModel> load(const std::filesystem::path& folder,
                                             const ModelOptions& options = {});
  virtual ~LanguageModel() = default;

  virtual const ModelConfig& config() const = 0;
  virtual KvCache make_cache() const = 0;

  /// The weights on their way into memory; the model can be used meanwhile.
  virtual const Prefault& prefault() const = 0;

  /// Runs the batch, appends its keys and values to the caches, and writes the logits (f32, after
  /// the softcap) of `logit_rows` to `logits` [logit_rows, vocab].
  virtual void forward(const PackedBatch& batch, std::span<float> logits) = 0;

  /// Whether the checkpoint has a vision tower.
  virtual bool can_see() const = 0;

  /// The soft tokens of a picture: [patches / pooling^2, hidden]. Throws kUnsupported if the model
  /// cannot see, kBadRequest for patches that do not fit its tower, kCancelled when `cancelled`
  /// (null: never) becomes set, which is polled between layers.
  virtual Tensor encode_image(const ImagePatches& patches, const std::atomic<bool>* cancelled) = 0;

  /// Weight bytes read per decoded token (8 of 128 experts counted as 8).
  virtual uint64_t bytes_per_token() const = 0;

  virtual ModelWork work() const = 0;
  /// Bytes of keys and values that the token at `position` reads, its own included.
  virtual uint64_t kv_bytes_read(int64_t position) const = 0;
  /// Multiply-adds of attention (scores and sums) for the tokens at positions [begin, end).
  virtual uint64_t attention_macs(int64_t begin, int64_t end) const = 0;

  /// Where forward() notes its time from now on; null = nowhere.
  virtual void set_profile(Profile* profile) = 0;
};

}  // namespace octavo
