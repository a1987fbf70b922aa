#include "engine/logprobs.h"

#include <cmath>

#include "base/fail.h"
#include "engine/top_k.h"

namespace octavo {

TokenLogprob token_logprob(std::span<const float> logits, int32_t token, int top) {
  const int32_t best = best_token(logits);
  if (best < 0) fail(ErrorCode::kInternal, "logprobs: no logit of {} is a number", logits.size());
  double sum = 0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit) - logits[best]);
  const double log_sum = logits[best] + std::log(sum);
  const auto logprob = [&](int32_t id) { return static_cast<float>(logits[id] - log_sum); };

  TokenLogprob result{token, logprob(token), {}};
  for (int32_t id : best_tokens(logits, static_cast<size_t>(top))) {
    result.top.emplace_back(id, logprob(id));
  }
  return result;
}

}  // namespace octavo
