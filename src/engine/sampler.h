// engine: from logits to the next token. The order is fixed:
//
//   penalties -> logit bias, banned tokens -> temperature -> top-k -> top-p -> min-p -> draw
//
// Each filter sees the distribution that the one before it left, renormalised.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/penalties.h"

namespace octavo {

struct SamplingParams {
  PenaltyParams penalties{};
  std::vector<std::pair<int32_t, double>> logit_bias{};
  std::vector<int32_t> banned{};  // never drawn, whatever their bias
  double temperature = 0;         // 0: the best token, the lower id of equals
  int64_t top_k = 0;              // 0 = off
  double top_p = 1;               // smallest set of best tokens that holds at least this mass
  double min_p = 0;               // at least this share of the best token's probability
};

class Sampler {
 public:
  /// All ids in `params` must lie in the vocabulary.
  Sampler(SamplingParams params, uint64_t seed);

  /// `tokens` is the whole sequence, of which the first `prompt_length` were given. The n-th draw
  /// depends on the seed, n and the logits alone. Throws kInternal if no logit is a number.
  int32_t sample(std::span<const float> logits, std::span<const int32_t> tokens,
                 size_t prompt_length);

 private:
  SamplingParams params_;
  uint64_t seed_;
  uint64_t draws_ = 0;
  std::vector<float> adjusted_;
  std::vector<double> weights_;
};

/// Uniform in [0, 1): the `index`-th number of the stream named by `seed` (splitmix64 of a
/// counter).
double counter_uniform(uint64_t seed, uint64_t index);

}  // namespace octavo
