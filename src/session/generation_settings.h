// session: a GenerationOptions with every default filled in and every value checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/repetition.h"
#include "engine/sampler.h"
#include "octavo/generation.h"
#include "session/media.h"

namespace octavo {

struct GenerationSettings {
  SamplingParams sampling;
  RepetitionLimits repetition;
  int64_t max_new_tokens = 2048;
  uint64_t seed = 0;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  bool thinking = false;
  std::optional<int64_t> thinking_budget;
  bool include_reasoning = true;
  std::optional<int> logprobs;
  MediaBudget media;
};

/// Throws kBadRequest naming the field that is out of range. Draws a seed if there is none.
GenerationSettings resolve(const GenerationOptions& config, int64_t vocab_size);

}  // namespace octavo
