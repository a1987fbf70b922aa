// backend/cpu: the operations run eagerly on a thread pool by the kernels of this machine.
#pragma once

#include "backend/backend.h"
#include "base/thread_pool.h"

namespace octavo {

class CpuBackend : public Backend {
 public:
  /// `threads` and `pin` as for ThreadPool.
  explicit CpuBackend(int threads = 0, bool pin = false);

  Tensor embed(const WeightMatrix& table, std::span<const int32_t> tokens, float scale) override;
  Tensor norm(const Tensor& x, const Vector& weight, float eps) override;
  Tensor add_norm(const Tensor& residual, const Tensor& x, const Vector& weight, float eps,
                  float scale) override;
  Tensor add(const Tensor& a, const Tensor& b) override;
  std::vector<Tensor> linear(const Tensor& x,
                             std::span<const WeightMatrix* const> matrices) override;
  Tensor attention(const AttentionParams& params, const Tensor& q, const Tensor& k, const Tensor& v,
                   const RopeTable& rope, std::span<const AttentionSegment> segments) override;
  Tensor gated_mlp(const Tensor& x, const WeightMatrix& gate, const WeightMatrix& up,
                   const WeightMatrix& down) override;
  Routing route(const Tensor& x, const RouterWeights& router, int64_t top_k, float eps) override;
  Tensor experts(const Tensor& x, const Routing& routing, const ExpertBank& bank) override;
  void logits(const Tensor& x, std::span<const int64_t> rows, const Vector& weight, float eps,
              const WeightMatrix& head, float cap, std::span<float> out) override;

 private:
  /// Splits `count` items over the pool unless the whole is too little work to be worth waking it.
  void for_range(int64_t count, int64_t grain, int64_t work_per_item,
                 FunctionRef<void(int64_t begin, int64_t end)> body);
  /// rows x[t] -> out[t][0 .. m.rows), split over the pool by rows of m.
  void multiply(const WeightMatrix& m, const std::vector<const float*>& x,
                const std::vector<float*>& out);

  ThreadPool pool_;
  const Kernels& kernels_;
};

/// Below this many multiply-adds, some 50 microseconds on one core, waking the pool costs more than
/// it saves, above all where the other cores are busy.
inline constexpr int64_t kWorthThreads = 1 << 19;

/// Scratch of the calling thread for at least `floats` values; valid until its next call.
float* thread_scratch(int64_t floats);

}  // namespace octavo
