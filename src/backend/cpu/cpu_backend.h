// backend/cpu: the operations run eagerly on a thread pool by the kernels of this machine.
#pragma once

#include <span>
#include <vector>

#include "backend/backend.h"
#include "base/thread_pool.h"
#include "kernels/panel_sizes.h"
#include "kernels/tile_rows.h"

namespace octavo {

struct CpuOptions {
  int threads = 0;                   // as for ThreadPool
  bool pin = false;                  // as for ThreadPool
  bool exact = false;                // no rounding of inputs, as integers have it
  const Kernels* kernels = nullptr;  // null: those of this machine
};

/// Forms of inputs that products need beside f32.
struct InputForms {
  bool integers = false, tiles = false;
};

/// The rows that matrices are multiplied with: in tiles where those are given and the matrix fits
/// them, else in integers where given and the matrix is quantised, else in f32.
struct InputRows {
  int64_t cols = 0;
  std::vector<const float*> values;
  std::vector<IntegerRow> integers;    // of each row, or empty
  std::vector<const uint16_t*> tiles;  // where each row lies in its block, or empty
  Buffer integer_memory, tile_memory;
};

class CpuBackend : public Backend {
 public:
  explicit CpuBackend(const CpuOptions& options = {});

  Tensor embed(const WeightMatrix& table, std::span<const int32_t> tokens, float scale) override;
  Tensor norm(const Tensor& x, const Vector& weight, float eps) override;
  Tensor add_norm(const Tensor& residual, const Tensor& x, const Vector& weight, float eps,
                  float scale) override;
  Tensor add(const Tensor& a, const Tensor& b) override;
  Tensor clamp(const Tensor& x, float low, float high) override;
  Tensor gelu_multiply(Tensor gate, const Tensor& up, int64_t first = 0) override;
  Tensor pool(const Tensor& x, int64_t columns, int64_t size, float scale) override;
  Tensor standardise(const Tensor& x, const Vector& bias, const Vector& scale) override;
  std::vector<Tensor> linear(Op op, const Tensor& x,
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
  bool in_integers(const WeightMatrix& m) const {
    return !exact_ && m.format == MatrixFormat::kQuantised;
  }
  bool in_tiles(const WeightMatrix& m) const {
    return phase_ == Phase::kPrefill && kernels_.matmul_tiles != nullptr && m.fits_tiles();
  }
  InputForms forms(std::span<const WeightMatrix* const> matrices) const;
  int tile_parts() const { return exact_ ? 3 : 2; }
  /// Row order[i] of x for every i, or all as they are; `runs` of them, of so many rows, are
  /// multiplied with different matrices, or all with the same.
  InputRows input_rows(const Tensor& x, InputForms forms, std::span<const int64_t> order = {},
                       std::span<const int64_t> runs = {});
  void add_integers(const Tensor& x, std::span<const int64_t> order, InputRows& rows);
  void add_tiles(std::span<const int64_t> runs, InputRows& rows);
  /// out[t][r] for rows r of m in [begin, end), by the calling thread; `first` and `count` select
  /// the tokens, in tiles a run of them.
  void multiply_rows(const WeightMatrix& m, int64_t begin, int64_t end, const InputRows& x,
                     int64_t first, int64_t count, float* const* out);
  /// x times each matrix: rows of results [t] of matrix i go to out[i * T + t]. Split over the
  /// pool.
  void multiply(const InputRows& x, std::span<const WeightMatrix* const> matrices,
                float* const* out);

  ThreadPool pool_;
  const Kernels& kernels_;
  bool exact_;
};

/// Rows of a matrix that one thread takes at least: the widest panel but for those of tiles.
inline constexpr int64_t kRowGrain = 16 * kMostPanelVectors;

/// Below this many multiply-adds, some 50 microseconds on one core, waking the pool costs more than
/// it saves, above all where the other cores are busy.
inline constexpr int64_t kWorthThreads = 1 << 19;

/// Scratch of the calling thread for at least `floats` values, aligned to 64 bytes: with
/// vectors that cross cache lines panels lose a tenth of their speed. Valid until its next call.
float* thread_scratch(int64_t floats);

}  // namespace octavo
