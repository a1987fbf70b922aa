#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_topology.h"
#include "base/fail.h"
#include "model/decoder_layer.h"
#include "model/gemma4_work.h"
#include "model/language_model.h"
#include "model/rope.h"
#include "numerics/bfloat16.h"

namespace octavo {
namespace {

/// The page cache lies on the node of the thread that first reads a page.
std::vector<int> prefault_cpus(const ModelOptions& options) {
  if (!options.pin) return {};
  const auto threads =
      static_cast<size_t>(options.threads > 0 ? options.threads : default_threads());
  return one_cpu_per_node(process_cores(), threads);
}

class Gemma4Model : public LanguageModel {
 public:
  Gemma4Model(const std::filesystem::path& folder, const ModelOptions& options)
      : checkpoint_(Checkpoint::open(folder)),
        config_(ModelConfig::parse(checkpoint_.config(), (folder / "config.json").string())),
        backend_({.threads = options.threads, .pin = options.pin, .exact = options.exact}) {
    refuse_unsupported(folder);
    prefault_.emplace(checkpoint_.mappings(), prefault_cpus(options));
    weights_ = bind_weights(checkpoint_, config_);
    const float scale = std::sqrt(static_cast<float>(config_.text.hidden_size));
    // In BF16 the reference implementations round the scale: sqrt(2816) = 53.07 becomes 53.
    embed_scale_ = options.exact ? scale : bf16_to_float(float_to_bf16(scale));
    kv_shape_ = make_kv_shape(options);
    make_frequencies();
  }

  const ModelConfig& config() const override { return config_; }
  KvCache make_cache() const override { return KvCache(kv_shape_); }
  const Prefault& prefault() const override { return *prefault_; }
  void forward(const PackedBatch& batch, std::span<float> logits) override;
  bool can_see() const override { return false; }
  Tensor encode_image(const ImagePatches&) override {
    fail(ErrorCode::kUnsupported, "{}: this model cannot see pictures",
         checkpoint_.folder().string());
  }
  uint64_t bytes_per_token() const override {
    const ModelWork total = work();
    return total.shared_bytes + static_cast<uint64_t>(total.top_k) * total.expert_bytes;
  }
  ModelWork work() const override { return work_of(weights_, config_.text); }
  uint64_t kv_bytes_read(int64_t position) const override {
    return kv_shape_->bytes_read(position);
  }
  uint64_t attention_macs(int64_t begin, int64_t end) const override {
    return attention_macs_of(config_.text, begin, end);
  }
  void set_profile(Profile* profile) override {
    profile_ = profile;
    backend_.set_profile(profile);
  }

 private:
  void refuse_unsupported(const std::filesystem::path& folder) const {
    const TextConfig& text = config_.text;
    if (text.hidden_size_per_layer_input > 0 || text.num_kv_shared_layers > 0) {
      fail(ErrorCode::kUnsupported,
           "{}: per-layer inputs and shared KV layers (Gemma 4 E2B, E4B) cannot be run yet",
           folder.string());
    }
    for (size_t i = 0; i < text.layers.size(); ++i) {
      if (text.layers[i].head_dim % kLanes == 0) continue;
      fail(ErrorCode::kUnsupported, "{}: layer {} has head_dim {}; a multiple of {} is needed",
           folder.string(), i, text.layers[i].head_dim, kLanes);
    }
  }

  std::shared_ptr<const KvShape> make_kv_shape(const ModelOptions& options) const {
    auto shape = std::make_shared<KvShape>();
    shape->format = options.exact     ? KvFormat::kF32
                    : options.int8_kv ? KvFormat::kInt8
                                      : KvFormat::kBF16;
    for (const LayerConfig& layer : config_.text.layers) {
      shape->layers.push_back(
          {layer.kv_heads, layer.head_dim, layer.full_attention ? 0 : config_.text.sliding_window});
    }
    return shape;
  }

  void make_frequencies() {
    for (const LayerConfig& layer : config_.text.layers) {
      const RopeConfig& rope =
          layer.full_attention ? config_.text.full_rope : config_.text.sliding_rope;
      std::vector<float> frequencies = rope_frequencies(rope, layer.head_dim);
      const auto known = std::ranges::find(frequencies_, frequencies);
      rope_of_layer_.push_back(static_cast<size_t>(known - frequencies_.begin()));
      if (known == frequencies_.end()) frequencies_.push_back(std::move(frequencies));
    }
  }

  Checkpoint checkpoint_;
  ModelConfig config_;
  Gemma4Weights weights_;
  CpuBackend backend_;
  float embed_scale_ = 1.0f;
  std::shared_ptr<const KvShape> kv_shape_;
  std::vector<std::vector<float>> frequencies_;  // all different
  std::vector<size_t> rope_of_layer_;            // index into frequencies_
  Profile* profile_ = nullptr;
  std::optional<Prefault> prefault_;  // the last: it reads what others own
};

void Gemma4Model::forward(const PackedBatch& batch, std::span<float> logits) {
  const ProfileScope whole(profile_, Op::kOther);
  const TextConfig& text = config_.text;
  std::vector<int64_t> positions;
  std::vector<AttentionSegment> segments;
  for (const Segment& segment : batch.segments) {
    segment.cache->reserve(segment.count);
    segments.push_back({segment.cache, std::ssize(positions), segment.count});
    for (int64_t i = 0; i < segment.count; ++i) positions.push_back(segment.cache->length() + i);
  }

  std::vector<RopeTable> ropes;
  for (const auto& frequencies : frequencies_) ropes.push_back(rope_table(frequencies, positions));
  Tensor h = backend_.embed(weights_.embed_tokens, batch.tokens, embed_scale_);
  for (int64_t i = 0; i < std::ssize(text.layers); ++i) {
    h = decoder_layer({backend_, text, i, ropes[rope_of_layer_[i]], segments}, weights_.layers[i],
                      std::move(h));
  }
  for (const Segment& segment : batch.segments) segment.cache->commit(segment.count);
  if (batch.logit_rows.empty()) return;
  backend_.logits(h, batch.logit_rows, weights_.norm, static_cast<float>(text.rms_norm_eps),
                  weights_.head, static_cast<float>(text.final_logit_softcapping), logits);
}

}  // namespace

std::unique_ptr<LanguageModel> LanguageModel::load(const std::filesystem::path& folder,
                                                   const ModelOptions& options) {
  return std::make_unique<Gemma4Model>(folder, options);
}

}  // namespace octavo
