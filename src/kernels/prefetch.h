// kernels: reading ahead in a stream of weights.
// Part of body.h: see there.
#pragma once

#include <cstdint>

namespace octavo {

/// How one core reads weights best, as measured (docs/performance.md).
struct StreamTuning {
  /// Bytes by which streams of weights are asked for ahead: about what the core reads in the time
  /// of one access.
  int64_t prefetch_near;
  /// The same for a second prefetch, into the second cache only; 0: none. It helps Intel's CPUs and
  /// Zen 4, where the first cache has too few buffers to wait for the memory. On Zen 5, when last
  /// measured, it took up what the first one needs.
  int64_t prefetch_far;
  /// Rows of an f32 product read side by side for one token: 1, 2 or 4; where 1, wide inputs of
  /// several tokens are shared by two rows instead of four (matmul_few has the limits).
  /// The sums of one row wait for each other, 4 cycles per 16 weights; where the memory is faster
  /// than that, more rows fill the time (on Zen 3 and Emerald Rapids they are faster although it is
  /// not).
  int rows_together;
};
/// This CPU's; tests try others. Loops work with a copy: stores to memory might change this one.
extern StreamTuning stream_tuning;

namespace {

/// The fewest pieces of `bytes` bytes, a power of two, that are whole cache lines.
constexpr int pieces_of_lines(int64_t bytes) {
  int pieces = 1;
  while (pieces * bytes % 64 != 0) pieces *= 2;
  return pieces;
}

/// Asks for what follows the `bytes` bytes at p that are about to be used.
/// Addresses past a mapping do no harm. Inlined by force: to g++ a function that only prefetches
/// has no effect, and a call of it can go.
[[gnu::always_inline]] inline void prefetch_stream(StreamTuning tuning, const uint8_t* p,
                                                   int64_t bytes) {
  const int64_t near = tuning.prefetch_near, far = tuning.prefetch_far;
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i + near, 0, 3);
  if (far == 0) return;
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i + far, 0, 2);
}

}  // namespace
}  // namespace octavo
