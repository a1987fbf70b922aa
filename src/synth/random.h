// synth: seeded numbers that are the same on every machine and for any number of threads: values
// are functions of a key and a counter, in integer arithmetic up to the last step.
#pragma once

#include <cstdint>
#include <string_view>

namespace octavo::synth {

/// Bits of `x` stirred until none tells of another (the finalizer of SplitMix64).
constexpr uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

constexpr uint64_t mix(uint64_t key, uint64_t counter) {
  return mix(key ^ mix(counter));
}

constexpr uint64_t mix(uint64_t key, std::string_view text) {
  for (const char c : text) key = mix(key ^ static_cast<uint8_t>(c));
  return key;
}

/// Uniform in [0, 1).
constexpr double uniform(uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

/// Normal, cut at 6: the sum of twelve uniform numbers of 16 bits has variance 1.
constexpr double normal(uint64_t key, uint64_t counter) {
  int64_t sum = 0;
  for (uint64_t i = 0; i < 3; ++i) {
    const uint64_t bits = mix(key + 3 * counter + i);
    sum += static_cast<int64_t>((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) +
                                (bits >> 48));
  }
  return static_cast<double>(sum - 6 * 0xffff) / 65536;
}

}  // namespace octavo::synth
