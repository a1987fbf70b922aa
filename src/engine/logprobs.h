// engine: log-probabilities of the raw logits, as reported to the caller.
#pragma once

#include <cstdint>
#include <span>

#include "octavo/generation.h"

namespace octavo {

/// Log softmax of `logits` (after the softcap, before penalties, bias and temperature) at `token`,
/// with the `top` best alternatives.
TokenLogprob token_logprob(std::span<const float> logits, int32_t token, int top);

}  // namespace octavo
