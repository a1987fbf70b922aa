// kernels: sums of products where an instruction multiplies bytes, for weights that are bytes
// without a sign: those of the affine formats.
// Part of body.h: see there, and matmul_integer.h for what becomes of them.
//
// An input, of 13 bits, is two digits: x = 128 high + low, 0 <= low < 128, -32 <= high < 32. A code
// is multiplied with both as it is, and what comes out is the same integer as that of 16-bit codes.
// Two rows are worked on together. One alone is limited by the loads of its inputs, one per
// product; for two, whose codes need no more registers than their bytes do, they are loaded once.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/integer_formats.h"
#include "kernels/matmul_integer_steps.h"

namespace octavo {
namespace {

/// The fewest tokens that digits are faster for, as measured on Zen 4. Bytes and nibbles are
/// quickly widened to 16 bits; codes of other widths have to become bytes first.
template <class F>
constexpr int kFewestInDigits = F::kBlockBytes == 32   ? 4
                                : F::kBlockBytes == 64 ? 2
                                                       : 1;

/// Whether kTokens tokens are multiplied that way.
template <class V, class F, int kTokens>
constexpr bool kInDigits =
    (F::kBiased && kTokens >= kFewestInDigits<F>) && requires { V::Ints::kHasDigits; };

inline constexpr int kDigitRows = 2;

/// As RowSums, for the rows rows[0] and rows[1]: sums[r * kTokens + t].
template <class V, class F, int kTokens>
struct DigitSums {
  using Ints = typename V::Ints;
  static constexpr int kRows = kDigitRows;
  static_assert(kStepBlocks<F> == kWholeStep && kWholeApart<V>);

  const Row* rows;
  const int16_t* digits;  // set_inputs_apart<V, true> of the inputs
  const uint8_t* end;     // of the matrix
  int64_t blocks, whole;
  StreamTuning tuning;

  [[gnu::always_inline]] void step_sums(int64_t b, Ints* out) const {
    Ints codes[kRows][kWholeStep];
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < kWholeStep; ++i) codes[r][i] = F::bytes(block_of(r, b + i));
      Ints::groups_apart(codes[r]);
    }
    sums(b, codes, out);
  }

  [[gnu::always_inline]] void last_sums(int64_t b, Ints* out) const {
    Ints left[kSums], right[kSums];
    half_sums(b, left);
    for (Ints& sum : right) sum = Ints::zero();
    if (b + kHalfStep < blocks) half_sums(b + kHalfStep, right);
    for (int i = 0; i < kSums; ++i) out[i] = Ints::add_pairs128(left[i], right[i]);
  }

 private:
  static constexpr int kSums = kRows * kTokens;

  /// Asks for the lines that follow those of block b + i of both rows by `distance`, in the order
  /// of the addresses, as the memory likes it: as far ahead as the second row needs. `b` is a
  /// multiple of 4, so that it begins a line.
  template <int kLocality>
  [[gnu::always_inline]] void prefetch(int64_t b, int i, int64_t distance) const {
    constexpr int kBytes = kRows * F::kBlockBytes;
    const uint8_t* p = rows[1].weight + distance + b * kBytes;
#pragma GCC unroll 2
    for (int line = (i * kBytes + 63) / 64; line * 64 < (i + 1) * kBytes; ++line) {
      __builtin_prefetch(p + line * 64, 0, kLocality);
    }
  }

  const uint8_t* block_of(int r, int64_t b) const { return rows[r].weight + b * F::kBlockBytes; }

  /// Sums over blocks [b, b + kHalfStep), of which some may lie past the row's end: what is read
  /// there is multiplied by zeros.
  [[gnu::always_inline]] void half_sums(int64_t b, Ints* out) const {
    constexpr int64_t kBytes = kHalfStep * F::kBlockBytes;
    Ints codes[kRows][kHalfStep];
    for (int r = 0; r < kRows; ++r) {
      const uint8_t* p = block_of(r, b);
      uint8_t copy[kBytes];
      if (end - p < kBytes) {
        std::memset(copy, 0, sizeof copy);
        std::memcpy(copy, p, static_cast<size_t>(end - p));
        p = copy;
      }
      for (int i = 0; i < kHalfStep; ++i) codes[r][i] = F::bytes(p + i * F::kBlockBytes);
      Ints::groups_apart(codes[r]);
    }
    sums(b, codes, out);
  }

  /// The lines asked for are spread over the products: all at once they keep the loads waiting
  /// (8-bit codes from memory: 0.67 of the speed for one token, 0.86 for four).
  template <int kBlocks>
  [[gnu::always_inline]] void sums(int64_t b, Ints (&codes)[kRows][kBlocks], Ints* out) const {
    const int16_t* const low = digits + b * kTokens * kIntegerBlock;
    for (int i = 0; i < kSums; ++i) out[i] = Ints::zero();
    const auto near = [&](int i) __attribute__((always_inline)) {
      prefetch<3>(b, i, tuning.prefetch_near);
    };
    const auto far = [&](int i) __attribute__((always_inline)) {
      if (tuning.prefetch_far != 0) prefetch<2>(b, i, tuning.prefetch_far);
    };
    add_products(codes, low + kIntegerBlock / 2, out, near);
    for (int i = 0; i < kSums; ++i) out[i] = Ints::high_digits(out[i]);
    add_products(codes, low, out, far);
  }

  template <int kBlocks, class Prefetch>
  [[gnu::always_inline]] static void add_products(const Ints (&codes)[kRows][kBlocks],
                                                  const int16_t* digit, Ints* out,
                                                  const Prefetch& prefetch) {
#pragma GCC unroll 8
    for (int i = 0; i < kBlocks; ++i) {
      prefetch(i);
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; ++t) {
        const Ints input = Ints::load_once(digit + (i * kTokens + t) * kIntegerBlock);
#pragma GCC unroll 2
        for (int r = 0; r < kRows; ++r) {
          Ints& sum = out[r * kTokens + t];
          sum = Ints::dot_bytes(sum, codes[r][i], input);
        }
      }
    }
  }
};

}  // namespace
}  // namespace octavo
