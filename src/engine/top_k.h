// engine: the best of many logits without sorting them all.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace octavo {

/// Id of the largest logit, the lower id of equals; NaN is skipped. -1 if there is no number above
/// minus infinity.
int32_t best_token(std::span<const float> logits);

/// Ids of the `k` largest logits, best first, lower ids first among equals; NaN and minus infinity
/// are left out.
std::vector<int32_t> best_tokens(std::span<const float> logits, size_t k);

}  // namespace octavo
