// synth: a vocabulary of Gemma 4's form and size, made of enumerated pieces instead of learned
// ones.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace octavo::synth {

struct Vocabulary {
  std::vector<std::string> tokens;                  // by id
  std::vector<std::pair<int32_t, int32_t>> merges;  // the earlier one goes first
  std::vector<int32_t> special;
};

/// Smallest vocabulary with every byte, every special token and the space.
inline constexpr int64_t kMinVocabulary = 502;

/// Special tokens, newlines, runs of spaces and bytes have Gemma 4's ids, as far as `size` goes: a
/// small vocabulary has those of images, audio and video at its end. At 262,144 tokens there are as
/// many merges as in the original, give or take a few. `size` must be at least kMinVocabulary.
Vocabulary make_vocabulary(int64_t size);

}  // namespace octavo::synth
