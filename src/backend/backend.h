// backend: the seam between the model and what computes it: the fused operations of one forward
// pass. A new back end implements this class; nothing above it knows which one runs.
//
// All activations are f32. T is the number of tokens of the batch.
#pragma once

#include <span>

#include "backend/kv_cache.h"
#include "backend/phase.h"
#include "backend/profile.h"
#include "backend/tensor.h"
#include "backend/weights.h"

namespace octavo {

/// cos and sin of position * frequency for the tokens of a batch: [T, head_dim / 2] each. With
/// several axes the columns, like the head, are as many equal parts, one per axis.
struct RopeTable {
  Tensor cos, sin;
};

/// Consecutive tokens of one sequence; positions start at cache->length().
struct AttentionSegment {
  KvCache* cache;
  int64_t first_token;  // index in the batch
  int64_t count;
};

/// Consecutive tokens of a batch.
struct TokenRun {
  int64_t first_token, count;
  int64_t end() const { return first_token + count; }
};

struct AttentionParams {
  int64_t layer;  // of the cache
  int64_t heads, kv_heads, head_dim;
  int64_t window;  // 0 = full
  const Vector& q_norm;
  const Vector& k_norm;
  float eps;
  int64_t rope_axes = 1;  // each turns its own part of a head: x and y of a patch
  // Runs whose tokens see the whole of it, not only what comes before them: pictures. Ascending,
  // each in one segment.
  std::span<const TokenRun> pictures = {};
};

struct RouterWeights {
  Vector scale;  // [hidden]
  WeightMatrix proj;
  Vector per_expert_scale;  // [experts]
};

/// The experts of every token, best first, and their weights: [T * top_k].
struct Routing {
  int64_t top_k = 0;
  std::vector<int32_t> experts;
  std::vector<float> weights;
};

class Backend {
 public:
  virtual ~Backend() = default;

  /// Rows of `table` for `tokens`, times `scale`: [T, hidden].
  virtual Tensor embed(const WeightMatrix& table, std::span<const int32_t> tokens, float scale) = 0;

  /// x / sqrt(mean(x^2) + eps) * weight, per row. An empty weight is none.
  virtual Tensor norm(const Tensor& x, const Vector& weight, float eps) = 0;

  /// (residual + norm(x)) * scale, the norm over each run of weight.size() columns.
  virtual Tensor add_norm(const Tensor& residual, const Tensor& x, const Vector& weight, float eps,
                          float scale) = 0;

  virtual Tensor add(const Tensor& a, const Tensor& b) = 0;

  /// Every element brought to [low, high].
  virtual Tensor clamp(const Tensor& x, float low, float high) = 0;

  /// gelu_tanh(gate) * the columns of `up` from `first` on.
  virtual Tensor gelu_multiply(Tensor gate, const Tensor& up, int64_t first = 0) = 0;

  /// The rows of x are a grid, `columns` wide: the mean of every cell of `size` by `size` of them,
  /// times `scale`, cell by cell: [T / size^2, cols].
  virtual Tensor pool(const Tensor& x, int64_t columns, int64_t size, float scale) = 0;

  /// (x - bias) * scale, per column.
  virtual Tensor standardise(const Tensor& x, const Vector& bias, const Vector& scale) = 0;

  /// x times each matrix, transposed: [T, out] per matrix. `op` is what a profile calls it.
  virtual std::vector<Tensor> linear(Op op, const Tensor& x,
                                     std::span<const WeightMatrix* const> matrices) = 0;

  /// Per head: q = rope(norm(q)), k = rope(norm(k)), v = norm without weight; appends k and v to
  /// the caches' reserved positions and attends with scale 1 over the window, which bounds only the
  /// past: [T, heads * head_dim]. `v` may be `k` itself (attention_k_eq_v). Without rows in `k` the
  /// caches hold the keys and values of these tokens already, from an earlier layer. The caches'
  /// layer holds heads of padded(head_dim).
  virtual Tensor attention(const AttentionParams& params, const Tensor& q, const Tensor& k,
                           const Tensor& v, const RopeTable& rope,
                           std::span<const AttentionSegment> segments) = 0;

  /// down(gelu_tanh(gate x) * up x).
  virtual Tensor gated_mlp(const Tensor& x, const WeightMatrix& gate, const WeightMatrix& up,
                           const WeightMatrix& down) = 0;

  /// softmax over the top_k largest of proj(norm(x) * scale * hidden^-1/2), times
  /// per_expert_scale. Equal logits: the lower index first.
  virtual Routing route(const Tensor& x, const RouterWeights& router, int64_t top_k, float eps) = 0;

  /// Sum over a token's experts of weight * down_e(gelu_tanh(gate_e x) * up_e x).
  virtual Tensor experts(const Tensor& x, const Routing& routing, const ExpertBank& bank) = 0;

  /// cap * tanh(head(norm(x[row])) / cap) for the wanted rows (cap 0: no softcap), written to `out`
  /// [rows, vocab].
  virtual void logits(const Tensor& x, std::span<const int64_t> rows, const Vector& weight,
                      float eps, const WeightMatrix& head, float cap, std::span<float> out) = 0;

  /// The phase of the tokens of the operations from now on.
  void set_phase(Phase phase) { phase_ = phase; }

  /// Where the operations note their time from now on; null = nowhere.
  void set_profile(Profile* profile) { profile_ = profile; }

 protected:
  Phase phase_ = Phase::kPrefill;
  Profile* profile_ = nullptr;
};

}  // namespace octavo
