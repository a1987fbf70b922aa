// kernels: reading ahead in a stream of weights.
// Part of body.h: see there.
#pragma once

#include <cstdint>

namespace octavo {

/// Whether the CPU gains from a second prefetch, farther ahead and into the second cache only
/// (docs/performance.md): Intel's do; on AMD's it takes up what the first one needs.
extern const bool far_prefetch_helps;

namespace {

constexpr int64_t kOnlyPrefetch = 6144, kNearPrefetch = 2048, kFarPrefetch = 12288;

/// Asks for what follows the `bytes` bytes at p that are about to be used.
/// Addresses past a mapping do no harm. Inlined by force: to g++ a function that only prefetches
/// has no effect, and a call of it can go.
[[gnu::always_inline]] inline void prefetch_stream(const uint8_t* p, int64_t bytes) {
  if (far_prefetch_helps) {
    for (int64_t i = 0; i < bytes; i += 64) {
      __builtin_prefetch(p + i + kNearPrefetch, 0, 3);
      __builtin_prefetch(p + i + kFarPrefetch, 0, 2);
    }
  } else {
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i + kOnlyPrefetch, 0, 3);
  }
}

/// Beside f32 inputs, which take half of the first cache: nearer (22 GB/s on Zen 4 instead of 19).
constexpr int64_t kDensePrefetch = 2048;

[[gnu::always_inline]] inline void prefetch_dense(const uint8_t* p, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i + kDensePrefetch, 0, 3);
}

}  // namespace
}  // namespace octavo
