#include "engine/penalties.h"

#include <algorithm>
#include <unordered_map>

namespace octavo {
namespace {

std::unordered_map<int32_t, int64_t> count_last(std::span<const int32_t> tokens, int64_t context) {
  const size_t size = std::min(tokens.size(), static_cast<size_t>(context));
  std::unordered_map<int32_t, int64_t> counts;
  for (int32_t token : tokens.last(size)) ++counts[token];
  return counts;
}

}  // namespace

void apply_penalties(const PenaltyParams& params, std::span<const int32_t> tokens,
                     size_t prompt_length, std::span<float> logits) {
  const auto answer = tokens.subspan(std::min(prompt_length, tokens.size()));
  if (params.repetition != 1) {
    const auto factor = static_cast<float>(params.repetition);
    for (const auto& [token, count] : count_last(tokens, params.repetition_context)) {
      float& logit = logits[token];
      logit = logit > 0 ? logit / factor : logit * factor;
    }
  }
  if (params.presence != 0) {
    for (const auto& [token, count] : count_last(answer, params.presence_context)) {
      logits[token] -= static_cast<float>(params.presence);
    }
  }
  if (params.frequency != 0) {
    for (const auto& [token, count] : count_last(answer, params.frequency_context)) {
      logits[token] -= static_cast<float>(params.frequency * static_cast<double>(count));
    }
  }
}

}  // namespace octavo
