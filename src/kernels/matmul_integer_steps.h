// kernels: sums of the products of one row in integers, a vector of 16 groups at a time.
// Part of body.h: see there, and matmul_integer.h for what becomes of them.
#pragma once

#include <cstdint>

#include "kernels/integer_formats.h"
#include "kernels/kernels.h"
#include "kernels/panel_sizes.h"
#include "kernels/prefetch.h"

namespace octavo {
namespace {

/// The sums of 16 groups come out of the reduction in this order: lane 4 L + j.
template <bool kHalf>
constexpr int lane_of_group(int group) {
  if (kHalf) return group % 4 * 4 + group / 4;  // 16 groups of 16: four blocks
  const int block = group / 2;                  // 16 groups of 32: eight blocks
  return (block / 4 * 2 + group % 2) * 4 + block % 4;
}

/// Blocks whose sums fill one vector of 16 groups.
template <class F>
constexpr int kStepBlocks = F::kHalfGroups ? 4 : 8;

/// Whether several tokens are multiplied with codes of which each lane has those of its own group,
/// for formats whose codes are bytes: they are then moved once, and not the sums of every token.
template <class V, class F, int kTokens>
constexpr bool kGroupsApart =
    (kTokens > 1 && kByteCodes<F> && !F::kHalfGroups) && requires { V::Ints::kBlocksApart; };

/// Blocks of a step of such a format. An instruction set moves those of a whole step or of half a
/// one together; of half a step each lane has half a group, and add_pairs128 is left to be done.
constexpr int kWholeStep = 2 * kHalfStep;
template <class V>
constexpr bool kWholeApart = V::Ints::kBlocksApart == kWholeStep;

/// The codes of blocks [b, b + kBlocks) of a row of inputs in that order, for each block the first
/// and the second half, or the low and the high digits, `stride` blocks from one to the next. Those
/// past the row's end are zero.
template <class V, bool kDigits, int kBlocks>
void set_step_apart(const IntegerRow& x, int64_t b, int64_t blocks, int64_t stride, int16_t* out) {
  using Ints = typename V::Ints;
  Ints first[kBlocks], second[kBlocks];
  for (int i = 0; i < kBlocks; ++i) {
    first[i] = second[i] = Ints::zero();
    if (b + i >= blocks) continue;
    first[i] = Ints::load(x.codes + (b + i) * kIntegerBlock);
    second[i] = Ints::load(x.codes + (b + i) * kIntegerBlock + 32);
  }
  if constexpr (kDigits) {
    for (int i = 0; i < kBlocks; ++i) Ints::split_digits(first[i], second[i]);
    Ints::groups_apart(first);
    Ints::groups_apart(second);
  } else {
    Ints::inputs_apart(first, second);
  }
  for (int i = 0; i < kBlocks; ++i) {
    first[i].store(out + (b + i) * stride * kIntegerBlock);
    second[i].store(out + (b + i) * stride * kIntegerBlock + 32);
  }
}

/// The same for a row: whole steps, if any, of whole blocks, then half steps. `whole` is that of
/// the sums, which change from one to the other at the same block.
template <class V, bool kDigits>
void set_inputs_apart(const IntegerRow& x, int64_t blocks, int64_t whole, int64_t stride,
                      int16_t* out) {
  int64_t b = 0;
  if constexpr (kWholeApart<V>) {
    for (; b + kWholeStep <= whole; b += kWholeStep) {
      set_step_apart<V, kDigits, kWholeStep>(x, b, blocks, stride, out);
    }
  }
  for (; b < blocks; b += kHalfStep)
    set_step_apart<V, kDigits, kHalfStep>(x, b, blocks, stride, out);
}

/// Sums of the products of kRows rows with kTokens tokens, one vector of 16 groups in the order of
/// lane_of_group for each: out[r * kTokens + t]. The blocks of a row beyond `whole` are read with
/// care.
template <class V, class F, int kTokens>
struct RowSums {
  using Ints = typename V::Ints;
  static constexpr int kRows = 1;
  /// For one token line by line: asked for in one go, the lines of a step keep its own loads
  /// waiting. With more tokens there is time for that (measured: 6 % faster, 3 % slower).
  static constexpr int kPrefetchBlocks =
      kTokens == 1 ? pieces_of_lines(F::kBlockBytes) : kStepBlocks<F>;
  static_assert(kPrefetchBlocks <= kStepBlocks<F>);

  const Row& row;
  const IntegerRow* x;
  const int16_t* apart;  // set_inputs_apart of the inputs, if kGroupsApart
  int64_t blocks, whole;
  StreamTuning tuning;

  /// Sums over the whole blocks [b, b + kStepBlocks).
  [[gnu::always_inline]] void step_sums(int64_t b, Ints* out) const {
    if constexpr (kGroupsApart<V, F, kTokens>) {
      static_assert(kStepBlocks<F> == kWholeStep);
      F::prefetch(tuning, row, b, kWholeStep);
      if constexpr (kWholeApart<V>) {
        whole_sums<kWholeStep>(b, out);
      } else {
        static_assert(Ints::kBlocksApart == kHalfStep);
        Ints left[kTokens], right[kTokens];
        whole_sums<kHalfStep>(b, left);
        whole_sums<kHalfStep>(b + kHalfStep, right);
        add<kWholeStep>(left, right, out);
      }
    } else {
      sums<kStepBlocks<F>>(b, out);
    }
  }

  /// The same for the blocks from b on that are left of the row.
  [[gnu::always_inline]] void last_sums(int64_t b, Ints* out) const {
    F::prefetch(tuning, row, b, blocks - b);
    if constexpr (kGroupsApart<V, F, kTokens>) {
      Ints left[kTokens], right[kTokens];
      half_sums(b, left);
      for (Ints& sum : right) sum = Ints::zero();
      if (b + kHalfStep < blocks) half_sums(b + kHalfStep, right);
      add<kWholeStep>(left, right, out);
    } else {
      sums_at_end<kStepBlocks<F>>(b, out);
    }
  }

  /// Sums over the whole blocks [b, b + kBlocks) of the products of each token.
  template <int kBlocks>
  [[gnu::always_inline]] void sums(int64_t b, Ints* out) const {
    if constexpr (kBlocks == kPrefetchBlocks) F::prefetch(tuning, row, b, kBlocks);
    if constexpr (kBlocks == 1) {
      block_sums<false>(b, out);
    } else {
      Ints left[kTokens], right[kTokens];
      sums<kBlocks / 2>(b, left);
      sums<kBlocks / 2>(b + kBlocks / 2, right);
      add<kBlocks>(left, right, out);
    }
  }

  /// The same where blocks may lie past the row's end, and the last one may be short or the last
  /// bytes of a mapping.
  template <int kBlocks>
  void sums_at_end(int64_t b, Ints* out) const {
    if constexpr (kBlocks == 1) {
      block_sums<true>(b, out);
    } else {
      Ints left[kTokens], right[kTokens];
      sums_at_end<kBlocks / 2>(b, left);
      if (b + kBlocks / 2 < blocks) {
        sums_at_end<kBlocks / 2>(b + kBlocks / 2, right);
      } else {
        for (Ints& sum : right) sum = Ints::zero();
      }
      add<kBlocks>(left, right, out);
    }
  }

 private:
  [[gnu::always_inline]] Ints load_codes(int64_t b) const {
    return Ints::load(row.weight + b * kIntegerBlock);
  }

  /// Sums over the whole blocks [b, b + kBlocks).
  template <int kBlocks>
  [[gnu::always_inline]] void whole_sums(int64_t b, Ints* out) const {
    Ints codes[kBlocks];
    for (int i = 0; i < kBlocks; ++i) codes[i] = load_codes(b + i);
    sums_apart(b, codes, out);
  }

  /// Sums over blocks [b, b + kHalfStep), which may be short or lie past the row's end.
  [[gnu::always_inline]] void half_sums(int64_t b, Ints* out) const {
    Ints codes[kHalfStep];
    for (int i = 0; i < kHalfStep; ++i) {
      codes[i] = Ints::zero();
      if (b + i < whole) {
        codes[i] = load_codes(b + i);
      } else if (b + i < blocks) {
        F::template with_block<true>(row, b + i,
                                     [&](const uint8_t* p) { codes[i] = Ints::load(p); });
      }
    }
    sums_apart(b, codes, out);
  }

  template <int kBlocks>
  [[gnu::always_inline]] void sums_apart(int64_t b, Ints (&codes)[kBlocks], Ints* out) const {
    const int16_t* inputs = apart + b * kTokens * kIntegerBlock;
    if constexpr (requires { typename Ints::Half; }) {  // one after the other: registers are few
      typename Ints::Half low[kBlocks], high[kBlocks], sums[kTokens];
      for (int i = 0; i < kBlocks; ++i) {
        low[i] = {codes[i].low};
        high[i] = {codes[i].high};
      }
      constexpr int kHalfWords = 16;
      part_sums(inputs, low, sums);
      for (int t = 0; t < kTokens; ++t) out[t].low = sums[t].v;
      part_sums(inputs + kHalfWords, high, sums);
      for (int t = 0; t < kTokens; ++t) out[t].high = sums[t].v;
    } else {
      part_sums(inputs, codes, out);
    }
  }

  /// `Part`: vectors, or the low or high half of each.
  template <class Part, int kBlocks>
  [[gnu::always_inline]] static void part_sums(const int16_t* inputs, Part (&codes)[kBlocks],
                                               Part* out) {
    Part::groups_apart(codes);
    Part more[kTokens];
    for (int t = 0; t < kTokens; ++t) out[t] = more[t] = Part::zero();
#pragma GCC unroll 8
    for (int i = 0; i < kBlocks; ++i) {
      Part first, second;
      Part::template bytes_apart<F::kE4m3>(codes[i], first, second);
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; ++t) {
        const int16_t* x = inputs + (i * kTokens + t) * kIntegerBlock;
        Part::add_products(out[t], more[t], first, Part::load(x), second, Part::load(x + 32));
      }
    }
    for (int t = 0; t < kTokens; ++t) out[t] = out[t] + more[t];
  }

  template <bool kCheck>
  [[gnu::always_inline]] void block_sums(int64_t b, Ints* out) const {
    Ints first, second;
    F::template load<kCheck>(row, b, first, second);
    for (int t = 0; t < kTokens; ++t) {
      const int16_t* codes = x[t].codes + b * kIntegerBlock;
      const Ints half = Ints::product(first, Ints::load(codes));
      out[t] = Ints::dot(half, second, Ints::load(codes + 32));
    }
  }

  template <int kBlocks>
  [[gnu::always_inline]] static void add(const Ints* left, const Ints* right, Ints* out) {
    for (int t = 0; t < kTokens; ++t) {
      if constexpr (kBlocks == 2) out[t] = Ints::add_pairs32(left[t], right[t]);
      if constexpr (kBlocks == 4) out[t] = Ints::add_pairs64(left[t], right[t]);
      if constexpr (kBlocks == 8) out[t] = Ints::add_pairs128(left[t], right[t]);
    }
  }
};

}  // namespace
}  // namespace octavo
