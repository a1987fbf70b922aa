#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <ranges>

#include "base/fail.h"
#include "engine/top_k.h"

namespace octavo {
namespace {

struct Candidate {
  int32_t id;
  double weight;  // probability relative to the best token's
};

/// Weights under a temperature: 1 for the best, an infinite one included; 0 for what is not a
/// number.
class Softmax {
 public:
  Softmax(std::span<const float> logits, int32_t best, double temperature)
      : logits_(logits), best_(logits[best]), temperature_(temperature) {}

  double weight(size_t id) const {
    if (logits_[id] == best_) return 1;  // infinity less itself is not a number
    const double weight = std::exp((logits_[id] - best_) / temperature_);
    return std::isnan(weight) ? 0 : weight;
  }

  /// Of every id, in memory that is used again for every token.
  void all(std::vector<double>& weights) const {
    weights.resize(logits_.size());
    for (size_t id = 0; id < weights.size(); ++id) weights[id] = weight(id);
  }

 private:
  std::span<const float> logits_;
  double best_;
  double temperature_;
};

std::vector<Candidate> at_least(std::span<const double> weights, double floor) {
  std::vector<Candidate> found;
  for (size_t id = 0; id < weights.size(); ++id) {
    if (weights[id] > 0 && weights[id] >= floor) {
      found.push_back({static_cast<int32_t>(id), weights[id]});
    }
  }
  return found;
}

double sum_of(std::span<const Candidate> candidates) {
  double sum = 0;
  for (const Candidate& candidate : candidates) sum += candidate.weight;
  return sum;
}

/// Cuts candidates that are sorted best first after the one that completes `wanted`.
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

/// The fewest best tokens that hold `share` of the weight: looks ever farther from the best one, so
/// that only the few that matter are sorted.
std::vector<Candidate> nucleus(std::span<const double> weights, double share) {
  const double wanted = share * std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<Candidate> found;
  for (double floor : {1e-2, 1e-4, 1e-8, 0.0}) {
    found = at_least(weights, floor);
    if (sum_of(found) >= wanted) break;
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Candidate& a, const Candidate& b) { return a.weight > b.weight; });
  keep_mass(found, wanted);
  return found;
}

/// What top-k and top-p leave, best first.
std::vector<Candidate> select(const Softmax& softmax, std::span<const float> logits,
                              const SamplingParams& params, std::vector<double>& weights) {
  std::vector<Candidate> candidates;
  if (params.top_k > 0) {
    for (int32_t id : best_tokens(logits, static_cast<size_t>(params.top_k))) {
      candidates.push_back({id, softmax.weight(id)});
    }
    if (params.top_p < 1) keep_mass(candidates, params.top_p * sum_of(candidates));
  } else {
    softmax.all(weights);
    candidates = nucleus(weights, params.top_p);
  }
  std::erase_if(candidates, [&](const Candidate& c) { return c.weight < params.min_p; });
  return candidates;
}

/// Index of the weight at which their running sum passes the share `uniform` of the whole.
size_t draw(const std::ranges::forward_range auto& weights, double uniform) {
  double total = 0;
  for (const double weight : weights) total += weight;
  const double target = uniform * total;
  double sum = 0;
  size_t index = 0, last = 0;
  for (const double weight : weights) {
    if (weight > 0) {
      last = index;
      sum += weight;
      if (sum > target) break;
    }
    ++index;
  }
  return last;
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
  const Softmax softmax(adjusted_, best, params_.temperature);
  const double uniform = counter_uniform(seed_, draws_++);
  if (params_.top_k > 0 || params_.top_p < 1) {
    const std::vector<Candidate> left = select(softmax, adjusted_, params_, weights_);
    return left[draw(std::views::transform(left, &Candidate::weight), uniform)].id;
  }
  softmax.all(weights_);  // no list of a quarter of a million candidates is made
  for (double& weight : weights_) {
    if (weight < params_.min_p) weight = 0;
  }
  return static_cast<int32_t>(draw(weights_, uniform));
}

}  // namespace octavo
