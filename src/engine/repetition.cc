#include "engine/repetition.h"

#include <algorithm>

namespace octavo {
namespace {

bool ends_in_run(std::span<const int32_t> answer, size_t length) {
  if (answer.size() < length) return false;
  const auto run = answer.last(length);
  return std::all_of(run.begin(), run.end(), [&](int32_t token) { return token == run.front(); });
}

int64_t occurrences_of_end(std::span<const int32_t> answer, size_t size) {
  if (answer.size() < size) return 0;
  const auto last = answer.last(size);
  int64_t count = 0;
  for (size_t begin = 0; begin + size <= answer.size(); ++begin) {
    const auto here = answer.subspan(begin, size);
    // The last token differs most often: compare it first.
    if (here.back() == last.back() && std::equal(here.begin(), here.end(), last.begin())) ++count;
  }
  return count;
}

}  // namespace

bool is_repetitive(std::span<const int32_t> answer, const RepetitionLimits& limits) {
  if (limits.max_consecutive_tokens > 0 &&
      ends_in_run(answer, static_cast<size_t>(limits.max_consecutive_tokens))) {
    return true;
  }
  return limits.max_ngram_repeats > 0 &&
         occurrences_of_end(answer, static_cast<size_t>(limits.ngram_size)) >=
             limits.max_ngram_repeats;
}

}  // namespace octavo
