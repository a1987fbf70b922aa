// kernels/avx512: 16 lanes of int32, or 32 of int16, in one register (AVX-512
// F, BW, VL, DQ; with VNNI, VBMI and GFNI one instruction each for a product with
// its sum, for bytes from anywhere and for a linear map of bits; with FP16 for
// floating point to integer).
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/avx512/vec.h"

namespace octavo::avx512 {
namespace {

#if OCTAVO_FP16
// Both bytes of an FP16 number from an E4M3 code s eeee mmm, see Ints::e4m3_pairs.
constexpr int64_t kHalfLow = bit_map({0, 0, 0, 0, 0, 0, 0, 1});
constexpr int64_t kHalfHigh = bit_map({2, 4, 8, 16, 32, 64, 0, 128});
#elif OCTAVO_VNNI
// Of the bits of an E4M3 code s eeee mmm, see Ints::e4m3.
constexpr int64_t kMantissaBits = bit_map({0, 0, 1, 2, 4, 0, 0, 0});
#endif

struct Ints {
  __m512i v;

  static Ints zero() { return {_mm512_setzero_si512()}; }
  static Ints load(const void* p) { return {_mm512_loadu_si512(p)}; }
  /// A load that g++ does not repeat as an operand of every use.
  static Ints load_once(const void* p) {
    Ints x = load(p);
    asm("" : "+v"(x.v));
    return x;
  }
  void store(void* p) const { _mm512_storeu_si512(p, v); }
  static Ints bits(Vec x) { return {_mm512_castps_si512(x.v)}; }
  Vec floats() const { return {_mm512_castsi512_ps(v)}; }
  Vec to_float() const { return {_mm512_cvtepi32_ps(v)}; }
  static Ints broadcast_pair(const int16_t* p) {
    int32_t pair;
    std::memcpy(&pair, p, 4);
    return {_mm512_set1_epi32(pair)};
  }
  static Ints product(Ints a, Ints b) { return {_mm512_madd_epi16(a.v, b.v)}; }
  static Ints dot(Ints sum, Ints a, Ints b) {
#if OCTAVO_VNNI
    return {_mm512_dpwssd_epi32(sum.v, a.v, b.v)};
#else
    return {_mm512_add_epi32(sum.v, _mm512_madd_epi16(a.v, b.v))};
#endif
  }
  /// The same in a loop over many sums: the compiler would add up the products of the whole loop in
  /// another order, in memory.
  static Ints dot_in_order(Ints sum, Ints a, Ints b) {
    sum = dot(sum, a, b);
#if !OCTAVO_VNNI
    asm("" : "+v"(sum.v));
#endif
    return sum;
  }

  friend Ints operator+(Ints a, Ints b) { return {_mm512_add_epi32(a.v, b.v)}; }
  static Ints add_pairs32(Ints a, Ints b) {
    return {_mm512_add_epi32(_mm512_unpacklo_epi32(a.v, b.v), _mm512_unpackhi_epi32(a.v, b.v))};
  }
  static Ints add_pairs64(Ints a, Ints b) {
    return {_mm512_add_epi32(_mm512_unpacklo_epi64(a.v, b.v), _mm512_unpackhi_epi64(a.v, b.v))};
  }
  static Ints add_pairs128(Ints a, Ints b) {
    return {_mm512_add_epi32(_mm512_shuffle_i32x4(a.v, b.v, 0x88),
                             _mm512_shuffle_i32x4(a.v, b.v, 0xdd))};
  }

  /// rows[i] lane j becomes rows[j] lane i.
  [[gnu::always_inline]] static void transpose(Ints (&rows)[16]) {
    __m512i u[16];
    transpose_fours<32>(rows, u);
    for (int c = 0; c < 4; ++c) {
      const __m512i a = _mm512_shuffle_i32x4(u[c], u[c + 4], 0x88);       // L 0, 2 of r 0, 1
      const __m512i b = _mm512_shuffle_i32x4(u[c], u[c + 4], 0xdd);       // L 1, 3
      const __m512i d = _mm512_shuffle_i32x4(u[c + 8], u[c + 12], 0x88);  // of r 2, 3
      const __m512i e = _mm512_shuffle_i32x4(u[c + 8], u[c + 12], 0xdd);
      rows[c].v = _mm512_shuffle_i32x4(a, d, 0x88);
      rows[c + 8].v = _mm512_shuffle_i32x4(a, d, 0xdd);
      rows[c + 4].v = _mm512_shuffle_i32x4(b, e, 0x88);
      rows[c + 12].v = _mm512_shuffle_i32x4(b, e, 0xdd);
    }
  }

  /// Where element i of a block lies in first and second: even and odd elements apart, as shifts
  /// and masks leave them, which halves the work on nibbles.
  static constexpr int place(int i) { return i % 2 * 32 + i / 2; }

  /// 64 codes of E4M3 as floor(32 * value), subnormal numbers as 0; 0x7F reads as 480.
  static void e4m3(const uint8_t* p, Ints& first, Ints& second) {
    e4m3(load_once(p).v, first, second);  // 2 to 4 % on Zen 4
  }

  /// 64 codes of a byte each.
  template <bool kE4m3>
  [[gnu::always_inline]] static void bytes(Ints codes, Ints& first, Ints& second) {
    if constexpr (kE4m3) {
      e4m3(codes.v, first, second);
    } else {
      widen(codes.v, first, second);
    }
  }

  /// Blocks that groups_apart takes at most, see matmul_integer_steps.h.
  static constexpr int kBlocksApart = 8;
  /// Eight blocks of two groups, of a byte per code: four codes of every group go to each of them,
  /// and with FP16 in an order from which bytes_apart makes pairs of one group. Sums over them have
  /// a group in each lane, where add_pairs32, 64 and 128 leave it.
  /// Of four blocks each lane has half a group, and add_pairs128 is left to be done.
  template <int kBlocks>
  [[gnu::always_inline]] static void groups_apart(Ints (&blocks)[kBlocks]) {
    __m512i u[kBlocks];
    transpose_fours<OCTAVO_FP16 ? 16 : 32>(blocks, u);
    exchange_halves(u, blocks);
  }
  /// 64 codes that groups_apart moved.
  template <bool kE4m3>
  [[gnu::always_inline]] static void bytes_apart(Ints codes, Ints& first, Ints& second) {
#if OCTAVO_FP16
    static_assert(kE4m3);
    e4m3_pairs(codes.v, first, second);
#else
    bytes<kE4m3>(codes, first, second);
#endif
  }
  /// The halves of as many blocks of 16-bit inputs, to be multiplied with what bytes_apart gives.
  template <int kBlocks>
  [[gnu::always_inline]] static void inputs_apart(Ints (&first)[kBlocks], Ints (&second)[kBlocks]) {
    for (Ints(*half)[kBlocks] : {&first, &second}) {
      __m512i u[kBlocks];
      transpose_fours<32>(*half, u);
      exchange_halves(u, *half);
    }
#if OCTAVO_FP16
    for (int i = 0; i < kBlocks; ++i) {  // neighbours for even and odd ones
      const __m512i even = first[i].v, odd = second[i].v;
      first[i].v = _mm512_mask_blend_epi16(0xaaaaaaaa, even, _mm512_slli_epi32(odd, 16));
      second[i].v = _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(even, 16), odd);
    }
#endif
  }

  /// Adds a * x to one sum and b * y to another, so that neither waits for the other.
  static void add_products(Ints& sum, Ints& more, Ints a, Ints x, Ints b, Ints y) {
    sum = dot_in_order(sum, a, x);
    more = dot_in_order(more, b, y);
  }

#if OCTAVO_VNNI && !OCTAVO_FP16
  /// What matmul_integer_digits.h needs.
  static constexpr bool kHasDigits = true;
  /// 64 unsigned codes of kBits bits, a byte each, in order; reads their own bytes only.
  template <int kBits>
  static Ints code_bytes(const uint8_t* p) {
    if constexpr (kBits == 8) {
      return load_once(p);
    } else if constexpr (kBits == 4) {
      const __m512i pairs = nibble_pairs(p);
      return {_mm512_and_si512(_mm512_or_si512(pairs, _mm512_slli_epi16(pairs, 4)),
                               _mm512_set1_epi8(15))};
    } else {
      return {spread<kBits>(p)};
    }
  }
  /// The halves of a block of inputs become their low 7 bits and the rest, a byte each, in order.
  static void split_digits(Ints& first, Ints& second) {
    const __m512i low = _mm512_set1_epi16(0x7f), a = first.v, b = second.v;
    first.v =
        _mm512_or_si512(_mm512_and_si512(a, low), _mm512_slli_epi16(_mm512_and_si512(b, low), 8));
    second.v = _mm512_or_si512(evens(_mm512_srai_epi16(a, 7)), odds_up(_mm512_slli_epi16(b, 1)));
  }
  /// Adds the products of four unsigned codes and four digits to each lane, in the order of the
  /// source (see dot_in_order).
  static Ints dot_bytes(Ints sum, Ints codes, Ints digits) {
    sum.v = _mm512_dpbusd_epi32(sum.v, codes.v, digits.v);
    asm("" : "+v"(sum.v));
    return sum;
  }
  static Ints high_digits(Ints sum) { return {_mm512_slli_epi32(sum.v, 7)}; }
#endif

  /// 16 blocks of a byte per code, as pairs: store(i, v) for i < 32, where lane r of v holds pair i
  /// of block r. Transposed while still bytes: half as many registers as 16-bit codes.
  template <bool kE4m3, class Store>
  [[gnu::always_inline]] static void byte_pairs(const uint8_t* const (&blocks)[16],
                                                const Store& store) {
    Ints quads[16];  // four codes of each block
    for (int i = 0; i < 16; ++i) quads[i] = load(blocks[i]);
    transpose(quads);
    for (int i = 0; i < 16; ++i) {
      Ints first, second;
      bytes<kE4m3>(quads[i], first, second);
      const int pair = i / 4 * 8 + i % 4;
      store(pair, first);
      store(pair + 4, second);
    }
  }

  /// 64 codes of E2M1 as twice their value: words from a table, found by the low five
  /// bits of an index, of which one belongs to the neighbour.
  static void e2m1(const uint8_t* p, Ints& first, Ints& second) {
    alignas(64) static constexpr int16_t kTwice[32] = {0,  1,  2,  3,  4,   6,  8,  12, 0,  -1, -2,
                                                       -3, -4, -6, -8, -12, 0,  1,  2,  3,  4,  6,
                                                       8,  12, 0,  -1, -2,  -3, -4, -6, -8, -12};
    const __m512i table = _mm512_load_si512(kTwice);
    const __m512i pairs = nibble_pairs(p);
    first.v = _mm512_permutexvar_epi16(pairs, table);
    second.v = _mm512_permutexvar_epi16(_mm512_srli_epi16(pairs, 4), table);
  }

  /// 64 unsigned codes of kBits bits; reads up to 8 bytes past them unless
  /// kBits is 4 or 8.
  template <int kBits>
  static void codes(const uint8_t* p, Ints& first, Ints& second) {
    if constexpr (kBits == 4) {
      const __m512i pairs = nibble_pairs(p);
      first.v = _mm512_and_si512(pairs, _mm512_set1_epi16(15));
      second.v = _mm512_srli_epi16(pairs, 4);
    } else {
      __m512i bytes;
      if constexpr (kBits == 8) bytes = _mm512_loadu_si512(p);
      if constexpr (kBits != 8) bytes = spread<kBits>(p);
      widen(bytes, first, second);
    }
  }

 private:
  template <int kBits>
  static __m512i unpack_low(__m512i a, __m512i b) {
    if constexpr (kBits == 16) return _mm512_unpacklo_epi16(a, b);
    if constexpr (kBits == 32) return _mm512_unpacklo_epi32(a, b);
    if constexpr (kBits == 64) return _mm512_unpacklo_epi64(a, b);
  }
  template <int kBits>
  static __m512i unpack_high(__m512i a, __m512i b) {
    if constexpr (kBits == 16) return _mm512_unpackhi_epi16(a, b);
    if constexpr (kBits == 32) return _mm512_unpackhi_epi32(a, b);
    if constexpr (kBits == 64) return _mm512_unpackhi_epi64(a, b);
  }

  /// u[4 r + c], 128-bit lane L: column 4 L + c of rows 4 r to 4 r + 3. With kBits = 16 a column is
  /// two words w' w, and four w come before four w'.
  template <int kBits, int kRows>
  [[gnu::always_inline]] static void transpose_fours(const Ints (&rows)[kRows],
                                                     __m512i (&u)[kRows]) {
    __m512i t[kRows];
    for (int i = 0; i < kRows; i += 2) {
      t[i] = unpack_low<kBits>(rows[i].v, rows[i + 1].v);
      t[i + 1] = unpack_high<kBits>(rows[i].v, rows[i + 1].v);
    }
    for (int i = 0; i < kRows; i += 4) {
      u[i] = unpack_low<2 * kBits>(t[i], t[i + 2]);
      u[i + 1] = unpack_high<2 * kBits>(t[i], t[i + 2]);
      u[i + 2] = unpack_low<2 * kBits>(t[i + 1], t[i + 3]);
      u[i + 3] = unpack_high<2 * kBits>(t[i + 1], t[i + 3]);
    }
  }

  /// The last step of a transposition of eight rows of dwords; four need none.
  template <int kRows>
  [[gnu::always_inline]] static void exchange_halves(const __m512i (&u)[kRows],
                                                     Ints (&rows)[kRows]) {
    static_assert(kRows == 4 || kRows == 8);
    for (int i = 0; i < 4; ++i) {
      if constexpr (kRows == 4) {
        rows[i].v = u[i];
      } else {
        rows[i].v = _mm512_shuffle_i32x4(u[i], u[i + 4], 0x88);
        rows[i + 4].v = _mm512_shuffle_i32x4(u[i], u[i + 4], 0xdd);
      }
    }
  }

#if OCTAVO_FP16
  /// As e4m3; first and second take eight codes by turns. E4M3's fields lie as in FP16, whose
  /// exponent here is that of 32 * value.
  [[gnu::always_inline]] static void e4m3_pairs(__m512i bytes, Ints& first, Ints& second) {
    const __mmask64 normal = _mm512_test_epi8_mask(bytes, _mm512_set1_epi8(0x78));
    const __m512i low = _mm512_gf2p8affine_epi64_epi8(bytes, _mm512_set1_epi64(kHalfLow), 0);
    const __m512i fields = _mm512_gf2p8affine_epi64_epi8(bytes, _mm512_set1_epi64(kHalfHigh), 0);
    // What is left of a subnormal number is its last bit, positive and far below 1.
    const __m512i high = _mm512_maskz_add_epi8(normal, fields, _mm512_set1_epi8(13 << 2));
    constexpr int kFloor = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
    const __m512i even = _mm512_unpacklo_epi8(low, high), odd = _mm512_unpackhi_epi8(low, high);
    first.v = _mm512_cvt_roundph_epi16(_mm512_castsi512_ph(even), kFloor);
    second.v = _mm512_cvt_roundph_epi16(_mm512_castsi512_ph(odd), kFloor);
  }

  static void e4m3(__m512i bytes, Ints& first, Ints& second) {
    const __m512i evens_first =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
    e4m3_pairs(_mm512_shuffle_epi8(bytes, evens_first), first, second);
  }
#else
  static void e4m3(__m512i bytes, Ints& first, Ints& second) {
    // 001 mmm 00 is the significand in the high byte of (8 + m) * 2^10, which the exponent shifts
    // down by 15 - e.
#if OCTAVO_VNNI
    const __m512i significand =
        _mm512_gf2p8affine_epi64_epi8(bytes, _mm512_set1_epi64(kMantissaBits), 0x20);
    const __m512i shift =
        _mm512_gf2p8affine_epi64_epi8(bytes, _mm512_set1_epi64(kExponentBits), 15);
#else
    const __m512i significand =
        _mm512_or_si512(_mm512_and_si512(_mm512_slli_epi16(bytes, 2), _mm512_set1_epi8(0x1c)),
                        _mm512_set1_epi8(0x20));
    const __m512i shift = _mm512_andnot_si512(_mm512_srli_epi16(bytes, 3), _mm512_set1_epi8(15));
#endif
    // Not of subnormal numbers: negative, they would be shifted to -1.
    const __mmask64 negative =
        _mm512_cmpge_epu8_mask(bytes, _mm512_set1_epi8(static_cast<char>(0x88)));
    const __m512i high =
        _mm512_mask_sub_epi8(significand, negative, _mm512_setzero_si512(), significand);
    first.v = _mm512_srav_epi16(evens_up(high), evens(shift));
    second.v = _mm512_srav_epi16(odds_up(high), odds(shift));
  }
#endif

  // Bytes of even and odd elements as words, in the low or in the high byte.
  static __m512i evens(__m512i bytes) { return _mm512_and_si512(bytes, _mm512_set1_epi16(0x00ff)); }
  static __m512i odds(__m512i bytes) { return _mm512_srli_epi16(bytes, 8); }
  static __m512i evens_up(__m512i bytes) { return _mm512_slli_epi16(bytes, 8); }
  static __m512i odds_up(__m512i bytes) {
    return _mm512_and_si512(bytes, _mm512_set1_epi16(static_cast<int16_t>(0xff00)));
  }

  static void widen(__m512i bytes, Ints& first, Ints& second) {
    first.v = evens(bytes);
    second.v = odds(bytes);
  }

  /// 32 bytes of two nibbles each, as words.
  static __m512i nibble_pairs(const uint8_t* p) {
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }

  /// 64 codes in order, one per byte: eight codes lie in kBits bytes.
  template <int kBits>
  static __m512i spread(const uint8_t* p) {
#if OCTAVO_VNNI
    alignas(64) static constexpr Spread<kBits> kSpread;
    const __m512i source = _mm512_maskz_loadu_epi8((uint64_t{1} << (8 * kBits)) - 1, p);
    const __m512i groups = _mm512_permutexvar_epi8(_mm512_load_si512(kSpread.index), source);
    const __m512i shifts = _mm512_load_si512(kSpread.shift);
    return _mm512_and_si512(_mm512_multishift_epi64_epi8(shifts, groups),
                            _mm512_set1_epi8((1 << kBits) - 1));
#else
    uint64_t out[8];
    for (int i = 0; i < 8; ++i) {
      uint64_t packed;  // the next run's bytes fall to the mask
      std::memcpy(&packed, p + i * kBits, sizeof packed);
      out[i] = _pdep_u64(packed, 0x0101010101010101u * ((1u << kBits) - 1));
    }
    return _mm512_loadu_si512(out);
#endif
  }

#if OCTAVO_VNNI
  template <int kBits>
  struct Spread {
    alignas(64) uint8_t index[64] = {};
    alignas(64) uint8_t shift[64] = {};
    constexpr Spread() {
      for (int i = 0; i < 64; ++i) {
        index[i] = static_cast<uint8_t>(i / 8 * kBits + (i % 8 < kBits ? i % 8 : kBits - 1));
        shift[i] = static_cast<uint8_t>(i % 8 * kBits);
      }
    }
  };
#endif
};

}  // namespace
}  // namespace octavo::avx512
