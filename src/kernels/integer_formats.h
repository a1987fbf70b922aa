// kernels: rows of the quantised formats as integers and scales, the weights'
// half of matmul_integer.h. A weight is its integer times the scale of its
// group, plus the group's bias. Part of body.h: see there.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/formats.h"
#include "kernels/integer_row.h"
#include "kernels/prefetch.h"

namespace octavo {
namespace {

/// What the formats share: blocks of 64 codes of kBits bits. kWhole: the
/// decoder reads a block's own bytes only, else up to 8 bytes more.
template <int kBits, bool kWhole>
struct IntegerCodes {
  static constexpr int64_t kBlockBytes = kIntegerBlock / 8 * kBits;

  /// Calls decode(pointer to the block's bytes). With kCheck the block may be
  /// short, or the last before the end of a mapping.
  template <bool kCheck, class Decode>
  [[gnu::always_inline]] static void with_block(const Row& row, int64_t b, const Decode& decode) {
    const uint8_t* p = row.weight + b * kBlockBytes;
    const int64_t left = row.cols - b * kIntegerBlock;
    if (!kCheck || (kWhole && left >= kIntegerBlock)) return decode(p);
    uint8_t copy[kBlockBytes + 8] = {};
    const int64_t whole = left < kIntegerBlock ? left : kIntegerBlock;
    std::memcpy(copy, p, static_cast<size_t>(whole / 8 * kBits));
    decode(copy);
  }

  [[gnu::always_inline]] static void prefetch(StreamTuning tuning, const Row& row, int64_t b,
                                              int64_t blocks) {
    prefetch_stream(tuning, row.weight + b * kBlockBytes, blocks * kBlockBytes);
  }
};

/// Codes of E4M3 are read as floor(32 * value), subnormal numbers as 0: within 1/32 of at most 448,
/// where E4M3's own step is up to 32. From 1/4 on every value is exact.
template <class V>
struct IntegerMxfp8 : IntegerCodes<8, true> {
  static constexpr bool kHalfGroups = false, kBiased = false, kE4m3 = true;
  template <bool kCheck>
  [[gnu::always_inline]] static void load(const Row& row, int64_t b, typename V::Ints& first,
                                          typename V::Ints& second) {
    with_block<kCheck>(row, b, [&](const uint8_t* p) { V::Ints::e4m3(p, first, second); });
  }
  static V scales(const Row& row, int64_t first, int64_t count) {
    return read_sides<V>(row.scales, first, count, 1, V::load_e8m0) * V::broadcast(1.0f / 32);
  }
};

/// Codes of E2M1 are read as twice their value.
template <class V>
struct IntegerMxfp4 : IntegerCodes<4, true> {
  static constexpr bool kHalfGroups = false, kBiased = false;
  template <bool kCheck>
  [[gnu::always_inline]] static void load(const Row& row, int64_t b, typename V::Ints& first,
                                          typename V::Ints& second) {
    with_block<kCheck>(row, b, [&](const uint8_t* p) { V::Ints::e2m1(p, first, second); });
  }
  static V scales(const Row& row, int64_t first, int64_t count) {
    return read_sides<V>(row.scales, first, count, 1, V::load_e8m0) * V::broadcast(0.5f);
  }
};

template <class V>
struct IntegerNvfp4 : IntegerMxfp4<V> {
  static constexpr bool kHalfGroups = true;
  static V scales(const Row& row, int64_t first, int64_t count) {
    return read_sides<V>(row.scales, first, count, 1, V::load_e4m3_256th) * V::broadcast(128.0f);
  }
};

template <class V, int kBits>
struct IntegerAffine : IntegerCodes<kBits, kBits == 4 || kBits == 8> {
  static constexpr bool kHalfGroups = false, kBiased = true, kE4m3 = false;
  template <bool kCheck>
  [[gnu::always_inline]] static void load(const Row& row, int64_t b, typename V::Ints& first,
                                          typename V::Ints& second) {
    IntegerCodes<kBits, kBits == 4 || kBits == 8>::template with_block<kCheck>(
        row, b, [&](const uint8_t* p) { V::Ints::template codes<kBits>(p, first, second); });
  }
  /// The codes of a block in order, a byte each.
  [[gnu::always_inline]] static typename V::Ints bytes(const uint8_t* p) {
    return V::Ints::template code_bytes<kBits>(p);
  }
  static V scales(const Row& row, int64_t first, int64_t count) {
    return affine_sides<V>(row.scales, row.side, first, count);
  }
  static V biases(const Row& row, int64_t first, int64_t count) {
    return affine_sides<V>(row.biases, row.side, first, count);
  }
};

/// Whether a code is a byte.
template <class F>
constexpr bool kByteCodes = F::kBlockBytes == kIntegerBlock;

/// log2 of the groups of sums (32 wide, 16 for NVFP4) that share the side values of one group of
/// weights (16 << chunk_shift wide).
template <class F>
int side_shift(const Row& row) {
  return row.chunk_shift - (F::kHalfGroups ? 0 : 1);
}

}  // namespace
}  // namespace octavo
