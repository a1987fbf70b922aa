// engine: noticing that a model goes round in circles.
#pragma once

#include <cstdint>
#include <span>

namespace octavo {

struct RepetitionLimits {
  int64_t max_consecutive_tokens = 0;  // 0 = off
  int64_t max_ngram_repeats = 0;       // 0 = off
  int64_t ngram_size = 64;
};

/// Whether the answer ends in `max_consecutive_tokens` equal tokens, or its last `ngram_size`
/// tokens occur at least `max_ngram_repeats` times in it (overlaps count: a loop of any period is
/// found).
bool is_repetitive(std::span<const int32_t> answer, const RepetitionLimits& limits);

}  // namespace octavo
