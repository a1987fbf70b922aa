// kernels: reading ahead in a stream of weights.
// Part of body.h: see there.
#pragma once

#include <cstdint>

namespace octavo {

/// Bytes by which streams of weights are asked for ahead, as measured (docs/performance.md): about
/// what one core reads in the time of one access. A second prefetch, farther ahead and into the
/// second cache only, helps Intel's CPUs; on AMD's it takes up what the first one needs.
struct PrefetchDistances {
  int64_t near;
  int64_t far;  // 0: none
};
extern const PrefetchDistances prefetch_distances;

namespace {

/// Asks for what follows the `bytes` bytes at p that are about to be used.
/// Addresses past a mapping do no harm. Inlined by force: to g++ a function that only prefetches
/// has no effect, and a call of it can go.
[[gnu::always_inline]] inline void prefetch_stream(const uint8_t* p, int64_t bytes) {
  const auto [near, far] = prefetch_distances;
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i + near, 0, 3);
  if (far == 0) return;
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i + far, 0, 2);
}

}  // namespace
}  // namespace octavo
