// The vision tower of Gemma 4 26B A4B on one picture of 280 soft tokens: seconds, operations per
// second, and their share of the FP32 multiply-add peak, measured in turn with it in the same run.
//
//   bench_vision [rounds] [threads]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "kernels/peak.h"
#include "model/vision_tower.h"

namespace octavo {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kTextHidden = 2816;

VisionConfig config_26b() {
  VisionConfig c;
  c.hidden_size = 1152;
  c.intermediate_size = 4304;
  c.num_hidden_layers = 27;
  c.num_attention_heads = c.num_key_value_heads = 16;
  c.head_dim = 72;
  c.patch_size = 16;
  c.position_embedding_size = 10240;
  c.pooling_kernel_size = 3;
  c.standardize = true;
  return c;
}

/// Random BF16 weights, as many as the tower has: none is read twice from a cache.
class RandomTower {
 public:
  explicit RandomTower(const VisionConfig& c) {
    weights.input_proj = matrix(c.hidden_size, 3 * c.patch_size * c.patch_size);
    weights.position_table = matrix(2 * c.position_embedding_size, c.hidden_size);
    const Vector ones(static_cast<size_t>(c.hidden_size), 1.0f);
    const Vector head_ones(static_cast<size_t>(c.head_dim), 1.0f);
    const int64_t heads = c.num_attention_heads * c.head_dim;
    for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
      VisionLayerWeights& w = weights.layers.emplace_back();
      w.input_layernorm = w.post_attention_layernorm = ones;
      w.pre_feedforward_layernorm = w.post_feedforward_layernorm = ones;
      w.q_norm = w.k_norm = head_ones;
      for (VisionLinear* proj : {&w.q_proj, &w.k_proj, &w.v_proj}) {
        proj->weight = matrix(heads, c.hidden_size);
      }
      w.o_proj.weight = matrix(c.hidden_size, heads);
      w.gate_proj.weight = matrix(c.intermediate_size, c.hidden_size);
      w.up_proj.weight = matrix(c.intermediate_size, c.hidden_size);
      w.down_proj.weight = matrix(c.hidden_size, c.intermediate_size);
    }
    weights.std_bias = Vector(ones.size(), 0.0f);
    weights.std_scale = ones;
    weights.projection = matrix(kTextHidden, c.hidden_size);
  }

  VisionWeights weights;
  int64_t parameters = 0;  // of the matrices

 private:
  WeightMatrix matrix(int64_t rows, int64_t cols) {
    parameters += rows * cols;
    std::vector<uint16_t>& values = memory_.emplace_back(static_cast<size_t>(rows * cols));
    for (uint16_t& value : values) {
      state_ ^= state_ << 13, state_ ^= state_ >> 17, state_ ^= state_ << 5;
      // Random sign and mantissa, magnitudes of 1/64 to 1/16.
      value = static_cast<uint16_t>((state_ & 0x80ff) | 0x3c80);
    }
    WeightMatrix m;
    m.rows = rows;
    m.cols = cols;
    m.weight = reinterpret_cast<const uint8_t*>(values.data());
    return m;
  }

  std::vector<std::vector<uint16_t>> memory_;
  uint32_t state_ = 1;
};

ImagePatches random_patches(int64_t columns, int64_t rows, int64_t size) {
  ImagePatches patches{columns, rows, size, {}};
  patches.values.resize(static_cast<size_t>(columns * rows * size * size * 3));
  for (size_t i = 0; i < patches.values.size(); ++i) {
    patches.values[i] = static_cast<uint8_t>(i * 2654435761U >> 13);
  }
  return patches;
}

double operations(const VisionConfig& c, int64_t patches) {
  const int64_t heads = c.num_attention_heads * c.head_dim;
  const int64_t layer = 4 * heads * c.hidden_size + 3 * c.hidden_size * c.intermediate_size;
  const int64_t attention = 2 * patches * heads;  // scores and sums, for one patch
  const int64_t input = 3 * c.patch_size * c.patch_size * c.hidden_size;
  const int64_t cells = patches / (c.pooling_kernel_size * c.pooling_kernel_size);
  return 2.0 * static_cast<double>(patches * (c.num_hidden_layers * (layer + attention) + input) +
                                   cells * kTextHidden * c.hidden_size);
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double peak_flops(ThreadPool& pool) {
  constexpr uint64_t kRounds = 1 << 16;
  const PeakLoop& loop = peak_loops().fp32;
  const auto items = static_cast<size_t>(512 * pool.size());
  const Clock::time_point start = Clock::now();
  pool.parallel_items(items, [&](size_t, int) { loop.run(kRounds); });
  return static_cast<double>(items * kRounds * loop.operations_per_round) / seconds_since(start);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void run(int rounds, int threads) {
  const VisionConfig config = config_26b();
  const RandomTower tower(config);
  const ImagePatches patches = random_patches(60, 42, config.patch_size);
  const double work = operations(config, patches.columns * patches.rows);
  CpuBackend backend({.threads = threads});
  ThreadPool pool(threads);
  Profile profile;
  std::vector<double> times, peaks;
  for (int i = 0; i <= rounds; ++i) {
    peaks.push_back(peak_flops(pool));
    const Clock::time_point start = Clock::now();
    vision_tower(backend, config, tower.weights, patches);
    if (i > 0) times.push_back(seconds_since(start));
    backend.set_profile(&profile);  // from the second round on
  }
  const double seconds = median(times), peak = median(peaks);
  fmt::print("kernels {}, {} threads, {} parameters\n", kernels().name, pool.size(),
             tower.parameters);
  fmt::print("280 soft tokens of 2520 patches: {:.3f} s, {:.1f} GFLOP/s\n", seconds,
             work / seconds / 1e9);
  fmt::print("FP32 peak {:.1f} GFLOP/s; share {:.3f}\n", peak / 1e9, work / seconds / peak);
  for (size_t i = 0; i < kOps; ++i) {
    const OpProfile& op = profile.of(static_cast<Op>(i));
    if (op.calls == 0) continue;
    fmt::print("  {:10} {:6.3f} s", name_of(static_cast<Op>(i)), op.seconds / rounds);
    if (op.macs > 0) {
      fmt::print(", {:.3f} of the peak", 2.0 * static_cast<double>(op.macs) / op.seconds / peak);
    }
    fmt::print("\n");
  }
}

}  // namespace
}  // namespace octavo

int main(int argc, char** argv) {
  octavo::run(argc > 1 ? std::max(1, std::atoi(argv[1])) : 3, argc > 2 ? std::atoi(argv[2]) : 0);
  return 0;
}
