// kernels: reading ahead in a stream of weights.
// Part of body.h: see there.
#pragma once

#include <cstdint>

namespace octavo {
namespace {

// Two distances, into the first and the second cache, hide the memory's latency
// best; beyond 1 to 2 KiB and 8 to 16 KiB the curve is flat
// (docs/performance.md).
constexpr int64_t kNearPrefetch = 2048, kFarPrefetch = 12288;

/// Asks for what follows the `bytes` bytes at p that are about to be used.
/// Addresses past a mapping do no harm.
inline void prefetch_stream(const uint8_t* p, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) {
    __builtin_prefetch(p + i + kNearPrefetch, 0, 3);
    __builtin_prefetch(p + i + kFarPrefetch, 0, 2);
  }
}

}  // namespace
}  // namespace octavo
