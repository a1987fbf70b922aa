// Mixture of experts on the CPU: the router, and the experts grouped so that each active expert's
// weights are read once for all tokens that chose it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "backend/cpu/cpu_backend.h"

namespace octavo {
namespace {

/// The slots (token * top_k + rank) of all tokens, sorted by expert, and where each expert's begin.
struct ExpertLoads {
  std::vector<int64_t> slots;
  struct Load {
    int32_t expert;
    int64_t first, count;  // range of `slots`
  };
  std::vector<Load> loads;
};

ExpertLoads loads_by_expert(const Routing& routing) {
  ExpertLoads result;
  result.slots.resize(routing.experts.size());
  std::iota(result.slots.begin(), result.slots.end(), 0);
  std::sort(result.slots.begin(), result.slots.end(), [&](int64_t a, int64_t b) {
    const int32_t left = routing.experts[a], right = routing.experts[b];
    return left != right ? left < right : a < b;
  });
  for (int64_t i = 0; i < std::ssize(result.slots); ++i) {
    const int32_t expert = routing.experts[result.slots[i]];
    if (result.loads.empty() || result.loads.back().expert != expert) {
      result.loads.push_back({expert, i, 0});
    }
    ++result.loads.back().count;
  }
  return result;
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
  const ProfileScope scope(profile_, Op::kRouter, static_cast<uint64_t>(router.proj.bytes()),
                           static_cast<uint64_t>(router.proj.rows * x.cols() * x.rows()));
  Tensor input(x.rows(), x.cols());
  const float scale = 1.0f / std::sqrt(static_cast<float>(x.cols()));
  for_range(x.rows(), 1, x.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      kernels_.rms_norm(x.row(t), router.scale.data(), eps, scale, x.cols(), input.row(t));
    }
  });
  // Always in f32: a choice of experts is not a rounding error.
  Tensor logits(x.rows(), router.proj.rows);
  std::vector<float*> out;
  for (int64_t t = 0; t < x.rows(); ++t) out.push_back(logits.row(t));
  const WeightMatrix* const proj[] = {&router.proj};
  multiply(input_rows(input, {}), proj, out.data());

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
  const ExpertLoads work = loads_by_expert(routing);
  const int64_t slots = std::ssize(work.slots), width = bank.gate.rows;
  const auto active_experts = std::ssize(work.loads);
  const int64_t expert_bytes =
      bank.gate.expert(0).bytes() + bank.up.expert(0).bytes() + bank.down.expert(0).bytes();
  const ProfileScope scope(profile_, Op::kExperts,
                           static_cast<uint64_t>(active_experts * expert_bytes),
                           static_cast<uint64_t>(3 * slots * width * x.cols()));
  if (profile_ != nullptr) profile_->add_experts(static_cast<uint64_t>(active_experts));

  // Rows of these three are in the order of work.slots.
  Tensor gates(slots, width), ups(slots, width), results(slots, x.cols());
  std::vector<float*> gate_out, up_out, result_out;
  for (int64_t i = 0; i < slots; ++i) {
    gate_out.push_back(gates.row(i));
    up_out.push_back(ups.row(i));
    result_out.push_back(results.row(i));
  }
  std::vector<int64_t> tokens, runs;
  for (const int64_t slot : work.slots) tokens.push_back(slot / routing.top_k);
  for (const ExpertLoads::Load& load : work.loads) runs.push_back(load.count);
  const WeightMatrix* const both[] = {&bank.gate.all, &bank.up.all};
  const InputRows in = input_rows(x, forms(both), tokens, runs);

  // Calls body(load, first row, end) for every grain of rows of every active expert.
  const auto for_grains = [&](int64_t rows, const auto& body) {
    const int64_t grains = (rows + kRowGrain - 1) / kRowGrain;
    const int64_t item_work = slots * rows * width / (active_experts * grains);
    for_range(active_experts * grains, 1, item_work, [&](int64_t begin, int64_t end) {
      while (begin < end) {  // neighbouring grains of one expert at once
        const int64_t load = begin / grains, first = begin % grains;
        const int64_t last = std::min(grains, first + end - begin);
        body(work.loads[load], first * kRowGrain, std::min(rows, last * kRowGrain));
        begin += last - first;
      }
    });
  };

  for_grains(width, [&](const ExpertLoads::Load& load, int64_t begin, int64_t end) {
    multiply_rows(bank.gate.expert(load.expert), begin, end, in, load.first, load.count,
                  gate_out.data() + load.first);
    multiply_rows(bank.up.expert(load.expert), begin, end, in, load.first, load.count,
                  up_out.data() + load.first);
    for (int64_t i = load.first; i < load.first + load.count; ++i) {
      kernels_.gelu_multiply(gates.row(i) + begin, ups.row(i) + begin, end - begin,
                             gates.row(i) + begin);
    }
  });
  const WeightMatrix* const down[] = {&bank.down.all};
  const InputRows active = input_rows(gates, forms(down), {}, runs);
  for_grains(x.cols(), [&](const ExpertLoads::Load& load, int64_t begin, int64_t end) {
    multiply_rows(bank.down.expert(load.expert), begin, end, active, load.first, load.count,
                  result_out.data() + load.first);
  });

  std::vector<int64_t> place(static_cast<size_t>(slots));  // of a slot among the results
  for (int64_t i = 0; i < slots; ++i) place[work.slots[i]] = i;
  Tensor sum(x.rows(), x.cols());
  for_range(x.rows(), 1, routing.top_k * x.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      std::fill_n(sum.row(t), x.cols(), 0.0f);
      for (int64_t slot = t * routing.top_k; slot < (t + 1) * routing.top_k; ++slot) {
        kernels_.accumulate(results.row(place[slot]), routing.weights[slot], x.cols(), sum.row(t));
      }
    }
  });
  return sum;
}

}  // namespace octavo
