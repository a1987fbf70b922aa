// A language model without weights: it notes the batches that it is asked to run.
#pragma once

#include <vector>

#include "model/language_model.h"

namespace octavo {

class ScriptedLanguageModel : public LanguageModel {
 public:
  static constexpr int64_t kVocab = 1000, kHidden = 16, kWindow = 32;

  struct Batch {
    int64_t begin, end;           // positions
    std::vector<int64_t> images;  // positions of their first tokens
    bool operator==(const Batch&) const = default;
  };
  std::vector<Batch> batches;

  ScriptedLanguageModel() {
    config_.text.vocab_size = kVocab;
    config_.text.hidden_size = kHidden;
    config_.text.max_position_embeddings = 4000;
  }

  const ModelConfig& config() const override { return config_; }
  /// One full and one sliding layer.
  KvCache make_cache() const override {
    return KvCache(std::make_shared<const KvShape>(KvShape{{{1, 16, 0}, {1, 16, kWindow}}}));
  }
  const Prefault& prefault() const override { return prefault_; }
  void forward(const PackedBatch& batch, std::span<float>) override {
    KvCache& cache = *batch.segments[0].cache;
    const int64_t begin = cache.length(), count = batch.segments[0].count;
    cache.reserve(count);
    cache.commit(count);
    batches.push_back({begin, begin + count, {}});
    for (const ImageRun& run : batch.images) {
      batches.back().images.push_back(begin + run.first_token);
    }
  }
  bool can_see() const override { return true; }
  Tensor encode_image(const ImagePatches&, const std::atomic<bool>*) override { return {}; }
  uint64_t bytes_per_token() const override { return 0; }
  ModelWork work() const override { return {}; }
  uint64_t kv_bytes_read(int64_t) const override { return 0; }
  uint64_t attention_macs(int64_t, int64_t) const override { return 0; }
  void set_profile(Profile*) override {}

 private:
  ModelConfig config_;
  Prefault prefault_{{}};
};

}  // namespace octavo
