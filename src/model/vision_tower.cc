#include "model/vision_tower.h"

#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>

#include "base/fail.h"
#include "model/rope.h"

namespace octavo {
namespace {

/// Patches that pass the wide middle of a feed-forward network together: it stays small.
constexpr int64_t kFeedForwardRows = 768;

/// What the layers share.
struct TowerContext {
  Backend& backend;
  const VisionConfig& config;
  float eps;
  const RopeTable& rope;
  KvCache& cache;  // keys and values of the current layer
};

void check_patches(const VisionConfig& config, const ImagePatches& patches) {
  const int64_t cell = config.pooling_kernel_size, most = config.position_embedding_size;
  for (const auto& [what, count] :
       {std::pair{"columns", patches.columns}, std::pair{"rows", patches.rows}}) {
    if (count >= 1 && count <= most && count % cell == 0) continue;
    fail(ErrorCode::kBadRequest,
         "a picture of {} {} of patches; expected a multiple of {} from {} to {}", count, what,
         cell, cell, most);
  }
  if (patches.size != config.patch_size) {
    fail(ErrorCode::kBadRequest, "patches of {0} x {0} pixels; the vision tower takes {1} x {1}",
         patches.size, config.patch_size);
  }
  const int64_t values = patches.columns * patches.rows * patches.size * patches.size * 3;
  if (std::ssize(patches.values) != values) {
    fail(ErrorCode::kBadRequest, "a picture of {} x {} patches with {} values; expected {}",
         patches.columns, patches.rows, patches.values.size(), values);
  }
}

/// [patches, size^2 * 3], from -1 to 1.
Tensor scaled_values(const ImagePatches& patches) {
  std::array<float, 256> scaled;
  for (int i = 0; i < 256; ++i) {
    scaled[i] = 2.0f * (static_cast<float>(i) * (1.0f / 255.0f) - 0.5f);
  }
  const int64_t width = patches.size * patches.size * 3;
  Tensor out(patches.columns * patches.rows, width);
  for (int64_t p = 0; p < out.rows(); ++p) {
    const uint8_t* values = patches.values.data() + p * width;
    for (int64_t i = 0; i < width; ++i) out.row(p)[i] = scaled[values[i]];
  }
  return out;
}

Tensor embed_patches(Backend& b, const VisionConfig& config, const VisionWeights& w,
                     const ImagePatches& patches) {
  std::vector<int32_t> columns, rows;  // of the position table
  for (int64_t p = 0; p < patches.columns * patches.rows; ++p) {
    columns.push_back(static_cast<int32_t>(p % patches.columns));
    rows.push_back(static_cast<int32_t>(config.position_embedding_size + p / patches.columns));
  }
  const Tensor places =
      b.add(b.embed(w.position_table, columns, 1.0f), b.embed(w.position_table, rows, 1.0f));
  const WeightMatrix* proj[] = {&w.input_proj};
  return b.add(b.linear(Op::kEmbed, scaled_values(patches), proj)[0], places);
}

/// The first half of a head turns with the column of a patch, the second with its row.
RopeTable patch_rope(const VisionConfig& config, const ImagePatches& patches) {
  const std::vector<float> frequencies =
      rope_frequencies({.theta = config.rope_theta}, config.head_dim / 2);
  const auto width = std::ssize(frequencies);
  std::vector<int64_t> places(static_cast<size_t>(std::max(patches.columns, patches.rows)));
  std::iota(places.begin(), places.end(), 0);
  const RopeTable one = rope_table(frequencies, places);
  const int64_t count = patches.columns * patches.rows;
  RopeTable table{Tensor(count, 2 * width), Tensor(count, 2 * width)};
  for (int64_t p = 0; p < count; ++p) {
    const int64_t column = p % patches.columns, row = p / patches.columns;
    for (const auto& [from, to] : {std::pair{&one.cos, &table.cos}, {&one.sin, &table.sin}}) {
      std::copy_n(from->row(column), width, to->row(p));
      std::copy_n(from->row(row), width, to->row(p) + width);
    }
  }
  return table;
}

/// x times matrices of the same input, each clipped in its own way.
std::vector<Tensor> linear(Backend& b, Op op, const Tensor& x,
                           std::span<const VisionLinear* const> layers) {
  std::vector<Tensor> results;
  std::vector<const WeightMatrix*> matrices;
  for (const VisionLinear* layer : layers) {
    if (!layer->clip) {
      matrices.push_back(&layer->weight);
      continue;
    }
    const Tensor input = b.clamp(x, layer->clip->input_min, layer->clip->input_max);
    const WeightMatrix* one[] = {&layer->weight};
    results.push_back(
        b.clamp(b.linear(op, input, one)[0], layer->clip->output_min, layer->clip->output_max));
  }
  return matrices.empty() ? std::move(results) : b.linear(op, x, matrices);
}

Tensor linear(Backend& b, Op op, const Tensor& x, const VisionLinear& layer) {
  const VisionLinear* one[] = {&layer};
  return std::move(linear(b, op, x, one)[0]);
}

/// Every patch sees every other.
Tensor self_attention(const TowerContext& c, const VisionLayerWeights& w, const Tensor& x) {
  const VisionLinear* projections[] = {&w.q_proj, &w.k_proj, &w.v_proj};
  const std::vector<Tensor> qkv = linear(c.backend, Op::kQkv, x, projections);
  const TokenRun all[] = {{0, x.rows()}};
  const AttentionSegment segment{&c.cache, 0, x.rows()};
  const AttentionParams params{.layer = 0,
                               .heads = c.config.num_attention_heads,
                               .kv_heads = c.config.num_key_value_heads,
                               .head_dim = c.config.head_dim,
                               .window = 0,
                               .q_norm = w.q_norm,
                               .k_norm = w.k_norm,
                               .eps = c.eps,
                               .rope_axes = 2,
                               .pictures = all};
  const Tensor heads = c.backend.attention(params, qkv[0], qkv[1], qkv[2], c.rope, {&segment, 1});
  return linear(c.backend, Op::kOProj, heads, w.o_proj);
}

Tensor feed_forward(const TowerContext& c, const VisionLayerWeights& w, const Tensor& x) {
  const VisionLinear* both[] = {&w.gate_proj, &w.up_proj};
  std::vector<Tensor> halves = linear(c.backend, Op::kMlp, x, both);
  const Tensor active = c.backend.gelu_multiply(std::move(halves[0]), halves[1]);
  return linear(c.backend, Op::kMlp, active, w.down_proj);
}

void copy_rows(const Tensor& from, int64_t from_row, Tensor& to, int64_t to_row, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(from.row(from_row + i), from.cols(), to.row(to_row + i));
  }
}

Tensor encoder_layer(const TowerContext& c, const VisionLayerWeights& w, Tensor h) {
  Backend& b = c.backend;
  const Tensor attended = self_attention(c, w, b.norm(h, w.input_layernorm, c.eps));
  h = b.add_norm(h, attended, w.post_attention_layernorm, c.eps, 1.0f);
  for (int64_t first = 0; first < h.rows(); first += kFeedForwardRows) {
    Tensor part(std::min(kFeedForwardRows, h.rows() - first), h.cols());
    copy_rows(h, first, part, 0, part.rows());
    const Tensor fed = feed_forward(c, w, b.norm(part, w.pre_feedforward_layernorm, c.eps));
    part = b.add_norm(part, fed, w.post_feedforward_layernorm, c.eps, 1.0f);
    copy_rows(part, 0, h, first, part.rows());
  }
  return h;
}

/// Room for the keys and values of one layer.
KvCache layer_cache(const VisionConfig& config, int64_t patches) {
  auto shape = std::make_shared<KvShape>();
  shape->layers = {{config.num_key_value_heads, padded(config.head_dim), 0}};
  shape->format = KvFormat::kF32;
  KvCache cache(std::move(shape));
  cache.reserve(patches);
  return cache;
}

}  // namespace

PatchOptions patch_options(const VisionConfig& config, int64_t max_soft_tokens) {
  return {.max_soft_tokens = max_soft_tokens,
          .patch_size = config.patch_size,
          .pooling = config.pooling_kernel_size};
}

Tensor vision_tower(Backend& backend, const VisionConfig& config, const VisionWeights& weights,
                    const ImagePatches& patches, const std::atomic<bool>* cancelled) {
  check_patches(config, patches);
  const auto eps = static_cast<float>(config.rms_norm_eps);
  const RopeTable rope = patch_rope(config, patches);
  // Never committed: every layer writes the same positions anew.
  KvCache cache = layer_cache(config, patches.columns * patches.rows);
  const TowerContext context{backend, config, eps, rope, cache};
  Tensor h = embed_patches(backend, config, weights, patches);
  for (const VisionLayerWeights& layer : weights.layers) {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) {
      fail(ErrorCode::kCancelled, "cancelled while looking at a picture");
    }
    h = encoder_layer(context, layer, std::move(h));
  }
  Tensor tokens = backend.pool(h, patches.columns, config.pooling_kernel_size,
                               std::sqrt(static_cast<float>(config.hidden_size)));
  if (!weights.std_scale.empty()) {
    tokens = backend.standardise(tokens, weights.std_bias, weights.std_scale);
  }
  const WeightMatrix* proj[] = {&weights.projection};
  return std::move(backend.linear(Op::kEmbed, backend.norm(tokens, {}, eps), proj)[0]);
}

}  // namespace octavo
