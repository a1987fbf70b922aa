// Mixture of experts on the CPU: the router, and the experts grouped so that each active expert's
// weights are read once for all tokens that chose it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "backend/cpu/cpu_backend.h"

namespace octavo {
namespace {

// Rows of an expert's matrix per work item: enough items to balance, few enough to keep them cheap.
constexpr int64_t kItemRows = 64;

/// The slots (token * top_k + rank) that chose one expert.
struct ExpertLoad {
  int32_t expert;
  std::vector<int64_t> slots;
};

std::vector<ExpertLoad> loads_by_expert(const Routing& routing) {
  std::vector<int64_t> order(routing.experts.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const int32_t left = routing.experts[a], right = routing.experts[b];
    return left != right ? left < right : a < b;
  });
  std::vector<ExpertLoad> loads;
  for (const int64_t slot : order) {
    const int32_t expert = routing.experts[slot];
    if (loads.empty() || loads.back().expert != expert) loads.push_back({expert, {}});
    loads.back().slots.push_back(slot);
  }
  return loads;
}

/// The top_k largest of `logits`, best first; of equal ones the lower index; NaN comes last.
void pick_experts(const float* logits, int64_t count, int64_t top_k, int32_t* experts) {
  std::vector<int32_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  const auto key = [&](int32_t expert) {
    return std::isnan(logits[expert]) ? -std::numeric_limits<float>::infinity() : logits[expert];
  };
  std::partial_sort(order.begin(), order.begin() + top_k, order.end(), [&](int32_t a, int32_t b) {
    return key(a) != key(b) ? key(a) > key(b) : a < b;
  });
  std::copy_n(order.begin(), top_k, experts);
}

}  // namespace

Routing CpuBackend::route(const Tensor& x, const RouterWeights& router, int64_t top_k, float eps) {
  Tensor input(x.rows(), x.cols());
  const float scale = 1.0f / std::sqrt(static_cast<float>(x.cols()));
  for (int64_t t = 0; t < x.rows(); ++t) {
    kernels_.rms_norm(x.row(t), router.scale.data(), eps, scale, x.cols(), input.row(t));
  }
  const WeightMatrix* proj[] = {&router.proj};
  const Tensor logits = std::move(linear(input, proj)[0]);

  Routing routing;
  routing.top_k = top_k;
  routing.experts.resize(static_cast<size_t>(x.rows() * top_k));
  routing.weights.resize(routing.experts.size());
  for (int64_t t = 0; t < x.rows(); ++t) {
    int32_t* experts = &routing.experts[t * top_k];
    float* weights = &routing.weights[t * top_k];
    pick_experts(logits.row(t), logits.cols(), top_k, experts);
    // softmax over all experts, renormalised over the chosen = softmax over the chosen.
    float sum = 0;
    for (int64_t k = 0; k < top_k; ++k) {
      weights[k] = std::exp(logits.row(t)[experts[k]] - logits.row(t)[experts[0]]);
      sum += weights[k];
    }
    for (int64_t k = 0; k < top_k; ++k) {
      weights[k] = weights[k] / sum * router.per_expert_scale[experts[k]];
    }
  }
  return routing;
}

Tensor CpuBackend::experts(const Tensor& x, const Routing& routing, const ExpertBank& bank) {
  const std::vector<ExpertLoad> loads = loads_by_expert(routing);
  const int64_t slots = std::ssize(routing.experts), width = bank.gate.rows;
  Tensor active(slots, width);
  Tensor results(slots, x.cols());

  // Calls body(load, first row, rows) for every block of rows of every active expert.
  const auto for_blocks = [&](int64_t rows, const auto& body) {
    const int64_t blocks = (rows + kItemRows - 1) / kItemRows;
    const auto item = [&](size_t index, int) {
      const int64_t first = static_cast<int64_t>(index) % blocks * kItemRows;
      body(loads[index / blocks], first, std::min(kItemRows, rows - first));
    };
    const auto items = loads.size() * static_cast<size_t>(blocks);
    if (slots * width * x.cols() < kWorthThreads) {
      for (size_t i = 0; i < items; ++i) item(i, 0);
    } else {
      pool_.parallel_items(items, item);
    }
  };

  for_blocks(width, [&](const ExpertLoad& load, int64_t first, int64_t rows) {
    const int64_t count = std::ssize(load.slots);
    float* scratch = thread_scratch(kTileRows * padded(x.cols()) + 2 * count * kItemRows);
    float* gates = scratch + kTileRows * padded(x.cols());
    float* ups = gates + count * kItemRows;
    std::vector<const float*> in(load.slots.size());
    std::vector<float*> gate(load.slots.size()), up(load.slots.size());
    for (int64_t i = 0; i < count; ++i) {
      in[i] = x.row(load.slots[i] / routing.top_k);
      gate[i] = gates + i * kItemRows;
      up[i] = ups + i * kItemRows;
    }
    const WeightMatrix gate_rows = bank.gate.expert(load.expert).slice(first, rows);
    const WeightMatrix up_rows = bank.up.expert(load.expert).slice(first, rows);
    kernels_.matmul(gate_rows, 0, rows, in.data(), count, gate.data(), scratch);
    kernels_.matmul(up_rows, 0, rows, in.data(), count, up.data(), scratch);
    for (int64_t i = 0; i < count; ++i) {
      kernels_.gelu_multiply(gate[i], up[i], rows, active.row(load.slots[i]) + first);
    }
  });

  for_blocks(x.cols(), [&](const ExpertLoad& load, int64_t first, int64_t rows) {
    float* scratch = thread_scratch(kTileRows * padded(width));
    std::vector<const float*> in(load.slots.size());
    std::vector<float*> out(load.slots.size());
    for (size_t i = 0; i < load.slots.size(); ++i) {
      in[i] = active.row(load.slots[i]);
      out[i] = results.row(load.slots[i]) + first;
    }
    const WeightMatrix down = bank.down.expert(load.expert).slice(first, rows);
    kernels_.matmul(down, 0, rows, in.data(), std::ssize(in), out.data(), scratch);
  });

  Tensor sum(x.rows(), x.cols());
  for (int64_t t = 0; t < x.rows(); ++t) {
    std::fill_n(sum.row(t), x.cols(), 0.0f);
    for (int64_t k = 0; k < routing.top_k; ++k) {
      const int64_t slot = t * routing.top_k + k;
      kernels_.accumulate(results.row(slot), routing.weights[slot], x.cols(), sum.row(t));
    }
  }
  return sum;
}

}  // namespace octavo
