// engine: lowering the logits of tokens that were there before.
#pragma once

#include <cstdint>
#include <span>

namespace octavo {

struct PenaltyParams {
  double repetition = 1;             // logits > 0 divided, others multiplied, once per token
  int64_t repetition_context = 256;  // of the last tokens of prompt and answer
  double presence = 0;               // subtracted once
  int64_t presence_context = 20;     // of the last tokens of the answer
  double frequency = 0;              // subtracted per occurrence
  int64_t frequency_context = 20;    // of the last tokens of the answer
};

/// `tokens` is the whole sequence, of which the first `prompt_length` were given.
void apply_penalties(const PenaltyParams& params, std::span<const int32_t> tokens,
                     size_t prompt_length, std::span<float> logits);

}  // namespace octavo
