#include "engine/top_k.h"

#include <algorithm>
#include <limits>

namespace octavo {

int32_t best_token(std::span<const float> logits) {
  float best = -std::numeric_limits<float>::infinity();
  int32_t id = -1;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > best) {
      best = logits[i];
      id = static_cast<int32_t>(i);
    }
  }
  return id;
}

std::vector<int32_t> best_tokens(std::span<const float> logits, size_t k) {
  std::vector<int32_t> heap;  // the worst of the best k in front
  if (k == 0) return heap;
  heap.reserve(std::min(k, logits.size()));
  const auto better = [&](int32_t a, int32_t b) {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
  };
  float floor = -std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < logits.size(); ++i) {
    // Ids rise, so an equal never displaces what is there: a plain > keeps the lower ids.
    if (!(logits[i] > floor)) continue;
    if (heap.size() == k) {
      std::pop_heap(heap.begin(), heap.end(), better);
      heap.pop_back();
    }
    heap.push_back(static_cast<int32_t>(i));
    std::push_heap(heap.begin(), heap.end(), better);
    if (heap.size() == k) floor = logits[heap.front()];
  }
  std::sort(heap.begin(), heap.end(), better);
  return heap;
}

}  // namespace octavo
