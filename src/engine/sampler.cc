#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/fail.h"
#include "engine/top_k.h"

namespace octavo {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Candidate {
  int32_t id;
  double weight;  // probability relative to the best token's
};

/// Relative weights under a temperature: the best token has 1.
class Weights {
 public:
  Weights(std::span<const float> logits, int32_t best, double temperature)
      : logits_(logits), best_(logits[best]), temperature_(temperature) {}

  double distance(size_t id) const { return (best_ - logits_[id]) / temperature_; }  // >= 0
  double weight(size_t id) const { return std::exp(-distance(id)); }
  size_t size() const { return logits_.size(); }

  double total() const {
    double sum = 0;
    for (size_t id = 0; id < size(); ++id) sum += std::isnan(logits_[id]) ? 0 : weight(id);
    return sum;
  }

  std::vector<Candidate> within(double limit) const {
    std::vector<Candidate> found;
    for (size_t id = 0; id < size(); ++id) {
      if (logits_[id] > -kInfinity && distance(id) <= limit) {
        found.push_back({static_cast<int32_t>(id), weight(id)});
      }
    }
    return found;
  }

 private:
  std::span<const float> logits_;
  double best_;
  double temperature_;
};

double sum_of(std::span<const Candidate> candidates) {
  double sum = 0;
  for (const Candidate& candidate : candidates) sum += candidate.weight;
  return sum;
}

/// Best tokens, best first, that weigh at least `wanted` together: looks ever farther from the best
/// one, so that only the few that matter are sorted.
std::vector<Candidate> nucleus(const Weights& weights, double wanted) {
  std::vector<Candidate> found;
  for (double limit : {4.0, 8.0, 16.0, 32.0, kInfinity}) {
    found = weights.within(limit);
    if (sum_of(found) >= wanted) break;
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Candidate& a, const Candidate& b) { return a.weight > b.weight; });
  return found;
}

void keep_mass(std::vector<Candidate>& candidates, double wanted) {
  double sum = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    sum += candidates[i].weight;
    if (sum >= wanted) {
      candidates.resize(i + 1);
      return;
    }
  }
}

std::vector<Candidate> select(std::span<const float> logits, int32_t best,
                              const SamplingParams& params) {
  const Weights weights(logits, best, params.temperature);
  std::vector<Candidate> candidates;
  if (params.top_k > 0) {
    for (int32_t id : best_tokens(logits, static_cast<size_t>(params.top_k))) {
      candidates.push_back({id, weights.weight(id)});
    }
    if (params.top_p < 1) keep_mass(candidates, params.top_p * sum_of(candidates));
  } else if (params.top_p < 1) {
    const double wanted = params.top_p * weights.total();
    candidates = nucleus(weights, wanted);
    keep_mass(candidates, wanted);
  } else {
    candidates = weights.within(kInfinity);
  }
  std::erase_if(candidates, [&](const Candidate& c) { return c.weight < params.min_p; });
  return candidates;
}

int32_t draw(std::span<const Candidate> candidates, double uniform) {
  const double target = uniform * sum_of(candidates);
  double sum = 0;
  for (const Candidate& candidate : candidates) {
    sum += candidate.weight;
    if (sum > target) return candidate.id;
  }
  return candidates.back().id;
}

}  // namespace

double counter_uniform(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1.0p-53;
}

Sampler::Sampler(SamplingParams params, uint64_t seed) : params_(std::move(params)), seed_(seed) {}

int32_t Sampler::sample(std::span<const float> logits, std::span<const int32_t> tokens,
                        size_t prompt_length) {
  adjusted_.assign(logits.begin(), logits.end());
  apply_penalties(params_.penalties, tokens, prompt_length, adjusted_);
  for (const auto& [id, bias] : params_.logit_bias) adjusted_[id] += static_cast<float>(bias);
  for (int32_t id : params_.banned) adjusted_[id] = -std::numeric_limits<float>::infinity();

  const int32_t best = best_token(adjusted_);
  if (best < 0) fail(ErrorCode::kInternal, "sampler: no logit of {} is a number", logits.size());
  if (params_.temperature == 0) return best;
  return draw(select(adjusted_, best, params_), counter_uniform(seed_, draws_++));
}

}  // namespace octavo
