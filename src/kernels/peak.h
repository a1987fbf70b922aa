// kernels: loops that do nothing but keep one kind of instruction busy: the limits of the machine
// that benchmarks compare kernels with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace octavo {

/// Independent chains of one arithmetic instruction: twelve, more than latency times issue rate on
/// any CPU so far and few enough to stay in registers, or the four sums of matrix tiles.
struct PeakLoop {
  void (*run)(uint64_t rounds) = nullptr;  // null where the CPU has no such instruction
  uint64_t operations_per_round = 0;       // a multiply-add counts as two
};

struct PeakLoops {
  PeakLoop fp32;   // multiply-adds
  PeakLoop int16;  // products of 16-bit integers added up in 32 bits
  PeakLoop fp16;   // multiply-adds

  /// Loads `bytes`, a multiple of kReadStep, with the widest registers; returns something that
  /// depends on all of them.
  uint64_t (*read)(const std::byte* data, size_t bytes, bool prefetch);

  PeakLoop bf16_tiles{};  // multiply-adds of matrix tiles, sums in f32
};
inline constexpr size_t kReadStep = 4096;

/// Those of the instruction set of kernels().
const PeakLoops& peak_loops();

// What follows is compiled once per instruction set.

/// `Step` has types and functions for one instruction: Acc, Factor, step(Acc&, Factor, Factor), and
/// kOperations, how many one step does. Named accumulators: arrays of them get spilled.
template <typename Step>
void twelve_chains(uint64_t rounds) {
  typename Step::Acc a0{}, a1{}, a2{}, a3{}, a4{}, a5{}, a6{}, a7{}, a8{}, a9{}, a10{}, a11{};
  const typename Step::Factor x{}, y{};
  for (uint64_t i = 0; i < rounds; ++i) {
    Step::step(a0, x, y);
    Step::step(a1, x, y);
    Step::step(a2, x, y);
    Step::step(a3, x, y);
    Step::step(a4, x, y);
    Step::step(a5, x, y);
    Step::step(a6, x, y);
    Step::step(a7, x, y);
    Step::step(a8, x, y);
    Step::step(a9, x, y);
    Step::step(a10, x, y);
    Step::step(a11, x, y);
  }
}

template <typename Step>
constexpr PeakLoop peak_loop() {
  return {twelve_chains<Step>, 12 * Step::kOperations};
}

/// `V` is a vector of 64-bit integers.
template <typename V>
uint64_t read_all(const std::byte* data, size_t bytes, bool prefetch) {
  constexpr size_t kWidth = sizeof(V), kStep = 8 * kWidth;
  constexpr size_t kAhead = 4096, kLine = 64;
  V a0{}, a1{}, a2{}, a3{}, a4{}, a5{}, a6{}, a7{};
  const auto load = [&](const std::byte* p) {
    V v;
    std::memcpy(&v, p, kWidth);
    return v;
  };
  for (const std::byte* p = data; p != data + bytes; p += kStep) {
    if (prefetch) {
      for (size_t line = 0; line < kStep; line += kLine) __builtin_prefetch(p + kAhead + line);
    }
    a0 ^= load(p);
    a1 ^= load(p + kWidth);
    a2 ^= load(p + 2 * kWidth);
    a3 ^= load(p + 3 * kWidth);
    a4 ^= load(p + 4 * kWidth);
    a5 ^= load(p + 5 * kWidth);
    a6 ^= load(p + 6 * kWidth);
    a7 ^= load(p + 7 * kWidth);
  }
  const V all = a0 ^ a1 ^ a2 ^ a3 ^ a4 ^ a5 ^ a6 ^ a7;
  uint64_t sum = 0, word = 0;
  for (size_t i = 0; i < kWidth; i += sizeof word) {
    std::memcpy(&word, reinterpret_cast<const std::byte*>(&all) + i, sizeof word);
    sum ^= word;
  }
  return sum;
}

}  // namespace octavo
