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
#include "model/per_layer_inputs.h"
#include "model/read_ahead.h"
#include "model/rope.h"
#include "model/vision_tower.h"
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

/// What the rows of a table of embeddings are multiplied with. In BF16 the reference
/// implementations round it: sqrt(2816) = 53.07 becomes 53.
float embedding_scale(int64_t width, const ModelOptions& options) {
  const float scale = std::sqrt(static_cast<float>(width));
  return options.exact ? scale : bf16_to_float(float_to_bf16(scale));
}

class Gemma4Model : public LanguageModel {
 public:
  Gemma4Model(const std::filesystem::path& folder, const ModelOptions& options)
      : checkpoint_(Checkpoint::open(folder)),
        config_(ModelConfig::parse(checkpoint_.config(), (folder / "config.json").string())),
        backend_({.threads = options.threads, .pin = options.pin, .exact = options.exact}) {
    refuse_unsupported(folder);
    prefault_.emplace(read_ahead(checkpoint_), prefault_cpus(options));
    weights_ = bind_weights(checkpoint_, config_);
    vision_ = bind_vision_weights(checkpoint_, config_);
    if (vision_ && config_.pad_token_id >= config_.text.vocab_size) {
      fail(ErrorCode::kBadFile, "{}: pad_token_id is {}, expected a token below vocab_size = {}",
           (folder / "config.json").string(), config_.pad_token_id, config_.text.vocab_size);
    }
    embed_scale_ = embedding_scale(config_.text.hidden_size, options);
    per_layer_scale_ = embedding_scale(config_.text.hidden_size_per_layer_input, options);
    kv_shape_ = make_kv_shape(options);
    make_frequencies();
  }

  const ModelConfig& config() const override { return config_; }
  KvCache make_cache() const override { return KvCache(kv_shape_); }
  const Prefault& prefault() const override { return *prefault_; }
  void forward(const PackedBatch& batch, std::span<float> logits) override;
  bool can_see() const override { return vision_.has_value(); }
  Tensor encode_image(const ImagePatches& patches, const std::atomic<bool>* cancelled) override {
    if (!vision_) refuse_pictures(checkpoint_.folder());
    const ProfileScope whole(profile_, Op::kOther);
    backend_.set_phase(Phase::kPrefill);
    return vision_tower(backend_, *config_.vision, *vision_, patches, cancelled);
  }
  uint64_t bytes_per_token() const override {
    const ModelWork total = work();
    return total.shared_bytes + total.row_bytes +
           static_cast<uint64_t>(total.top_k) * total.expert_bytes;
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
    const auto& layers = config_.text.layers;
    for (int64_t i = 0; i < std::ssize(layers); ++i) {
      const LayerConfig& layer = layers[i];
      if (layer.kv_layer != i) {  // the last layers: those below keep their indices
        ++shape->layers[layer.kv_layer].readers;
        continue;
      }
      shape->layers.push_back(
          {layer.kv_heads, layer.head_dim, layer.full_attention ? 0 : config_.text.sliding_window});
    }
    return shape;
  }

  Tensor embed(const PackedBatch& batch, std::span<const int32_t> tokens);

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
  std::optional<VisionWeights> vision_;
  CpuBackend backend_;
  float embed_scale_ = 1.0f, per_layer_scale_ = 1.0f;
  std::shared_ptr<const KvShape> kv_shape_;
  std::vector<std::vector<float>> frequencies_;  // all different
  std::vector<size_t> rope_of_layer_;            // index into frequencies_
  Profile* profile_ = nullptr;
  std::optional<Prefault> prefault_;  // the last: it reads what others own
};

/// Throws kBadRequest unless every picture lies within one segment and has the width of the model.
void check_images(const PackedBatch& batch, int64_t hidden) {
  int64_t done = 0;
  for (const ImageRun& image : batch.images) {
    int64_t begin = 0;
    const auto holds = [&](const Segment& segment) {
      const bool inside = image.first_token >= begin &&
                          image.first_token + image.features->rows() <= begin + segment.count;
      begin += segment.count;
      return inside;
    };
    if (image.first_token >= done && image.features->cols() == hidden &&
        std::ranges::any_of(batch.segments, holds)) {
      done = image.first_token + image.features->rows();
      continue;
    }
    fail(ErrorCode::kBadRequest,
         "a picture of {} soft tokens at token {} of a batch; expected runs in ascending order, "
         "each within one segment, of rows of {} values",
         image.features->rows(), image.first_token, hidden);
  }
}

/// What sliding layers see whole: pictures that touch, in one sequence, are one.
std::vector<TokenRun> picture_runs(const PackedBatch& batch) {
  std::vector<TokenRun> runs;
  auto image = batch.images.begin();
  int64_t begin = 0, end = 0;  // of a segment
  for (const Segment& segment : batch.segments) {
    begin = end;
    end += segment.count;
    for (; image != batch.images.end() && image->first_token < end; ++image) {
      const TokenRun run{image->first_token, image->features->rows()};
      if (!runs.empty() && runs.back().end() == run.first_token && run.first_token > begin) {
        runs.back().count += run.count;
      } else {
        runs.push_back(run);
      }
    }
  }
  return runs;
}

/// The tokens, padding in the place of pictures.
std::vector<int32_t> text_tokens(const PackedBatch& batch, int32_t pad) {
  std::vector<int32_t> tokens(batch.tokens.begin(), batch.tokens.end());
  for (const ImageRun& image : batch.images) {
    std::fill_n(tokens.begin() + image.first_token, image.features->rows(), pad);
  }
  return tokens;
}

/// Embeddings of the tokens, features in the place of pictures: those are not scaled.
Tensor Gemma4Model::embed(const PackedBatch& batch, std::span<const int32_t> tokens) {
  Tensor h = backend_.embed(weights_.embed_tokens, tokens, embed_scale_);
  for (const ImageRun& image : batch.images) {
    for (int64_t i = 0; i < image.features->rows(); ++i) {
      std::copy_n(image.features->row(i), h.cols(), h.row(image.first_token + i));
    }
  }
  return h;
}

void Gemma4Model::forward(const PackedBatch& batch, std::span<float> logits) {
  const ProfileScope whole(profile_, Op::kOther);
  const TextConfig& text = config_.text;
  backend_.set_phase(batch.phase);
  check_images(batch, text.hidden_size);
  std::vector<TokenRun> pictures;
  if (text.bidirectional_vision) pictures = picture_runs(batch);
  std::vector<int64_t> positions;
  std::vector<AttentionSegment> segments;
  for (const Segment& segment : batch.segments) {
    segment.cache->reserve(segment.count);
    segments.push_back({segment.cache, std::ssize(positions), segment.count});
    for (int64_t i = 0; i < segment.count; ++i) positions.push_back(segment.cache->length() + i);
  }

  std::vector<RopeTable> ropes;
  for (const auto& frequencies : frequencies_) ropes.push_back(rope_table(frequencies, positions));
  const std::vector<int32_t> tokens = text_tokens(batch, config_.pad_token_id);
  Tensor h = embed(batch, tokens);
  std::optional<Tensor> inputs;
  if (const auto& weights = weights_.per_layer_inputs) {
    inputs = per_layer_inputs(backend_, *weights, tokens, h, per_layer_scale_,
                              static_cast<float>(text.rms_norm_eps));
  }
  for (int64_t i = 0; i < std::ssize(text.layers); ++i) {
    h = decoder_layer({backend_, text, i, ropes[rope_of_layer_[i]], segments, pictures,
                       inputs ? &*inputs : nullptr},
                      weights_.layers[i], std::move(h));
  }
  for (const Segment& segment : batch.segments) segment.cache->commit(segment.count);
  if (batch.logit_rows.empty()) return;
  backend_.logits(h, batch.logit_rows, weights_.norm, static_cast<float>(text.rms_norm_eps),
                  weights_.head, static_cast<float>(text.final_logit_softcapping), logits);
}

}  // namespace

void refuse_pictures(const std::filesystem::path& folder) {
  fail(ErrorCode::kUnsupported,
       "{}this model cannot see: its checkpoint has no vision tower; send text only",
       folder.empty() ? "" : folder.string() + ": ");
}

std::unique_ptr<LanguageModel> LanguageModel::load(const std::filesystem::path& folder,
                                                   const ModelOptions& options) {
  return std::make_unique<Gemma4Model>(folder, options);
}

}  // namespace octavo
