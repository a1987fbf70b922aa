// kernels/avx2: 16 lanes of int32, or 32 of int16, in two registers (AVX2,
// BMI2; with AVX-VNNI and GFNI one instruction each for a product with its
// sum and for a linear map of bits).
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/x86_codes.h"

namespace octavo::avx2 {
namespace {

struct Ints {
  __m256i low, high;

  static Ints zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static Ints load(const void* p) {
    const auto* v = static_cast<const __m256i*>(p);
    return {_mm256_loadu_si256(v), _mm256_loadu_si256(v + 1)};
  }
  void store(void* p) const {
    auto* v = static_cast<__m256i*>(p);
    _mm256_storeu_si256(v, low);
    _mm256_storeu_si256(v + 1, high);
  }
  static Ints bits(Vec x) { return {_mm256_castps_si256(x.low), _mm256_castps_si256(x.high)}; }
  Vec floats() const { return {_mm256_castsi256_ps(low), _mm256_castsi256_ps(high)}; }
  Vec to_float() const { return {_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high)}; }
  static Ints broadcast_pair(const int16_t* p) {
    int32_t pair;
    std::memcpy(&pair, p, 4);
    return {_mm256_set1_epi32(pair), _mm256_set1_epi32(pair)};
  }
  static Ints product(Ints a, Ints b) {
    return {_mm256_madd_epi16(a.low, b.low), _mm256_madd_epi16(a.high, b.high)};
  }
  static Ints dot(Ints sum, Ints a, Ints b) {
#if defined(__AVXVNNI__)
    return {_mm256_dpwssd_avx_epi32(sum.low, a.low, b.low),
            _mm256_dpwssd_avx_epi32(sum.high, a.high, b.high)};
#else
    return sum + product(a, b);
#endif
  }
  /// The same in a loop over many sums: the compiler would add up the products of the whole loop in
  /// another order, in memory.
  static Ints dot_in_order(Ints sum, Ints a, Ints b) {
    sum = dot(sum, a, b);
#if !defined(__AVXVNNI__)
    asm("" : "+x"(sum.low), "+x"(sum.high));
#endif
    return sum;
  }
  friend Ints operator+(Ints a, Ints b) {
    return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
  }

  static Ints add_pairs32(Ints a, Ints b) {
    return {
        _mm256_add_epi32(_mm256_unpacklo_epi32(a.low, b.low), _mm256_unpackhi_epi32(a.low, b.low)),
        _mm256_add_epi32(_mm256_unpacklo_epi32(a.high, b.high),
                         _mm256_unpackhi_epi32(a.high, b.high))};
  }
  static Ints add_pairs64(Ints a, Ints b) {
    return {
        _mm256_add_epi32(_mm256_unpacklo_epi64(a.low, b.low), _mm256_unpackhi_epi64(a.low, b.low)),
        _mm256_add_epi32(_mm256_unpacklo_epi64(a.high, b.high),
                         _mm256_unpackhi_epi64(a.high, b.high))};
  }
  static Ints add_pairs128(Ints a, Ints b) {
    return {_mm256_add_epi32(_mm256_permute2x128_si256(a.low, a.high, 0x20),
                             _mm256_permute2x128_si256(a.low, a.high, 0x31)),
            _mm256_add_epi32(_mm256_permute2x128_si256(b.low, b.high, 0x20),
                             _mm256_permute2x128_si256(b.low, b.high, 0x31))};
  }

  /// rows[i] lane j becomes rows[j] lane i.
  [[gnu::always_inline]] static void transpose(Ints (&rows)[16]) {
    __m256i block[4][8];  // upper left, upper right, lower left, lower right
    for (int i = 0; i < 8; ++i) {
      block[0][i] = rows[i].low;
      block[1][i] = rows[i].high;
      block[2][i] = rows[i + 8].low;
      block[3][i] = rows[i + 8].high;
    }
    for (auto& b : block) transpose8(b);
    for (int i = 0; i < 8; ++i) {
      rows[i] = {block[0][i], block[2][i]};
      rows[i + 8] = {block[1][i], block[3][i]};
    }
  }

  /// Where element i of a block lies in first and second: as unpacking bytes leaves them.
  static constexpr int place(int i) { return i / 8 % 2 * 32 + i / 16 * 8 + i % 8; }

  /// 64 codes of E4M3 as floor(32 * value), subnormal numbers as 0; 0x7F reads as 480.
  static void e4m3(const uint8_t* p, Ints& first, Ints& second) {
    e4m3(load256(p), first.low, second.low);
    e4m3(load256(p + 32), first.high, second.high);
  }

  /// Blocks that groups_apart takes, see matmul_integer_steps.h.
  static constexpr int kBlocksApart = 4;
  /// Either of the two registers.
  struct Half {
    __m256i v;

    static Half zero() { return {_mm256_setzero_si256()}; }
    static Half load(const void* p) { return {load256(static_cast<const uint8_t*>(p))}; }
    friend Half operator+(Half a, Half b) { return {_mm256_add_epi32(a.v, b.v)}; }

    /// One half each of four blocks, which is a group, of a byte per code: four codes of every
    /// group go to each of them, in an order from which bytes_apart makes pairs of one group. Sums
    /// over all four have half a group in each lane: lane 4 i + r is of block r.
    [[gnu::always_inline]] static void groups_apart(Half (&blocks)[4]) {
      transpose_fours<16>(blocks[0].v, blocks[1].v, blocks[2].v, blocks[3].v);
    }
    template <bool kE4m3>
    [[gnu::always_inline]] static void bytes_apart(Half codes, Half& first, Half& second) {
      bytes<kE4m3>(codes.v, first.v, second.v);
    }
    /// Adds a * x to one sum and b * y to another or, where a product and its sum are two
    /// instructions, both to the first: what waits for it is then one addition.
    static void add_products(Half& sum, [[maybe_unused]] Half& more, Half a, Half x, Half b,
                             Half y) {
#if defined(__AVXVNNI__)
      sum.v = _mm256_dpwssd_avx_epi32(sum.v, a.v, x.v);
      more.v = _mm256_dpwssd_avx_epi32(more.v, b.v, y.v);
#else
      __m256i both = _mm256_add_epi32(_mm256_madd_epi16(a.v, x.v), _mm256_madd_epi16(b.v, y.v));
      asm("" : "+x"(both));  // see dot_in_order
      sum.v = _mm256_add_epi32(sum.v, both);
      asm("" : "+x"(sum.v));
#endif
    }
  };

  /// The halves of four blocks of 16-bit inputs, to be multiplied with what bytes_apart gives.
  [[gnu::always_inline]] static void inputs_apart(Ints (&first)[4], Ints (&second)[4]) {
    const auto transpose_halves = [](Ints(&v)[4]) {
      transpose_fours<32>(v[0].low, v[1].low, v[2].low, v[3].low);
      transpose_fours<32>(v[0].high, v[1].high, v[2].high, v[3].high);
    };
    transpose_halves(first);
    transpose_halves(second);
    // Of pairs 0 to 7 of a run of 16, the first halves have 0 to 3; now the even ones.
    const Ints pairs[] = {first[0],  first[1],  first[2],  first[3],
                          second[0], second[1], second[2], second[3]};
    for (int i = 0; i < 4; ++i) {
      first[i] = pairs[2 * i];
      second[i] = pairs[2 * i + 1];
    }
  }

  /// 16 blocks of a byte per code, as pairs: store(i, v) for i < 32, where lane r of v holds pair i
  /// of block r. Transposed while still bytes: half as many registers as 16-bit codes.
  template <bool kE4m3, class Store>
  [[gnu::always_inline]] static void byte_pairs(const uint8_t* const (&blocks)[16],
                                                const Store& store) {
    for (int quarter = 0; quarter < 4; ++quarter) {
      __m256i low[8], high[8];
      byte_pairs8<kE4m3>(blocks, 16 * quarter, low);
      byte_pairs8<kE4m3>(blocks + 8, 16 * quarter, high);
      for (int i = 0; i < 8; ++i) store(8 * quarter + i, Ints{low[i], high[i]});
    }
  }

  /// 64 codes of E2M1 as twice their value.
  static void e2m1(const uint8_t* p, Ints& first, Ints& second) {
    e2m1(p, first.low, second.low);
    e2m1(p + 16, first.high, second.high);
  }

  /// 64 unsigned codes of kBits bits; reads up to 8 bytes past them unless
  /// kBits is 4 or 8.
  template <int kBits>
  static void codes(const uint8_t* p, Ints& first, Ints& second) {
    codes32<kBits>(p, first.low, second.low);
    codes32<kBits>(p + 4 * kBits, first.high, second.high);
  }

 private:
  static __m256i load256(const uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }

  template <int kBits>
  static __m256i unpack_low(__m256i a, __m256i b) {
    if constexpr (kBits == 16) return _mm256_unpacklo_epi16(a, b);
    if constexpr (kBits == 32) return _mm256_unpacklo_epi32(a, b);
    if constexpr (kBits == 64) return _mm256_unpacklo_epi64(a, b);
  }
  template <int kBits>
  static __m256i unpack_high(__m256i a, __m256i b) {
    if constexpr (kBits == 16) return _mm256_unpackhi_epi16(a, b);
    if constexpr (kBits == 32) return _mm256_unpackhi_epi32(a, b);
    if constexpr (kBits == 64) return _mm256_unpackhi_epi64(a, b);
  }

  /// Within each half of 128 bits: column i of rows 0 to 3, in this order, takes the place of row
  /// i. With kBits = 16 a column is two words w' w, and four w come before four w'.
  template <int kBits>
  static void transpose_fours(__m256i& r0, __m256i& r1, __m256i& r2, __m256i& r3) {
    const __m256i a = unpack_low<kBits>(r0, r1), b = unpack_high<kBits>(r0, r1);
    const __m256i c = unpack_low<kBits>(r2, r3), d = unpack_high<kBits>(r2, r3);
    r0 = unpack_low<2 * kBits>(a, c);
    r1 = unpack_high<2 * kBits>(a, c);
    r2 = unpack_low<2 * kBits>(b, d);
    r3 = unpack_high<2 * kBits>(b, d);
  }

  static void transpose8(__m256i (&r)[8]) {
    transpose_fours<32>(r[0], r[1], r[2], r[3]);
    transpose_fours<32>(r[4], r[5], r[6], r[7]);
    for (int i = 0; i < 4; ++i) {
      const __m256i upper = r[i], lower = r[i + 4];
      r[i] = _mm256_permute2x128_si256(upper, lower, 0x20);
      r[i + 4] = _mm256_permute2x128_si256(upper, lower, 0x31);
    }
  }

  /// The product of -(8 + mantissa) * 2^11 and -2^exponent, over 2^16: the power is negative so
  /// that 2^15 fits, and 0 for subnormal numbers.
  static void e4m3(__m256i bytes, __m256i& first, __m256i& second) {
#if defined(__GFNI__)
    const __m256i exponent =
        _mm256_gf2p8affine_epi64_epi8(bytes, _mm256_set1_epi64x(kExponentBits), 0);
#else
    const __m256i exponent = _mm256_and_si256(_mm256_srli_epi16(bytes, 3), _mm256_set1_epi8(15));
#endif
    const __m256i power_low = _mm256_shuffle_epi8(
        _mm256_setr_epi8(0, -2, -4, -8, -16, -32, -64, -128, 0, 0, 0, 0, 0, 0, 0, 0, 0, -2, -4, -8,
                         -16, -32, -64, -128, 0, 0, 0, 0, 0, 0, 0, 0),
        exponent);
    const __m256i power_high = _mm256_shuffle_epi8(
        _mm256_setr_epi8(0, -1, -1, -1, -1, -1, -1, -1, -1, -2, -4, -8, -16, -32, -64, -128, 0, -1,
                         -1, -1, -1, -1, -1, -1, -1, -2, -4, -8, -16, -32, -64, -128),
        exponent);
    // -(8 + mantissa) * 8 times the sign; a code of zero, whose power is zero too, as anything.
#if defined(__GFNI__)
    const __m256i positive = _mm256_gf2p8affine_epi64_epi8(
        bytes, _mm256_set1_epi64x(bit_map({0, 0, 0, 1, 2, 4, 0, 0})), 0x40);
    const __m256i high =
        _mm256_sign_epi8(positive, _mm256_xor_si256(bytes, _mm256_set1_epi8(-0x80)));
#else
    // Whatever the exponent's last bit.
    const __m256i negative = _mm256_shuffle_epi8(
        _mm256_broadcastsi128_si256(_mm_setr_epi8(-64, -72, -80, -88, -96, -104, -112, -120, -64,
                                                  -72, -80, -88, -96, -104, -112, -120)),
        _mm256_and_si256(bytes, _mm256_set1_epi8(15)));
    const __m256i high = _mm256_sign_epi8(negative, bytes);
#endif
    const __m256i zero = _mm256_setzero_si256();
    first = _mm256_mulhi_epi16(_mm256_unpacklo_epi8(zero, high),
                               _mm256_unpacklo_epi8(power_low, power_high));
    second = _mm256_mulhi_epi16(_mm256_unpackhi_epi8(zero, high),
                                _mm256_unpackhi_epi8(power_low, power_high));
  }

  /// 32 codes of a byte each.
  template <bool kE4m3>
  static void bytes(__m256i codes, __m256i& first, __m256i& second) {
    if constexpr (kE4m3) {
      e4m3(codes, first, second);
    } else {
      widen(codes, first, second);
    }
  }

  /// Unsigned bytes as 16 bits each.
  static void widen(__m256i bytes, __m256i& first, __m256i& second) {
    const __m256i zero = _mm256_setzero_si256();
    first = _mm256_unpacklo_epi8(bytes, zero);
    second = _mm256_unpackhi_epi8(bytes, zero);
  }

  template <bool kE4m3>
  [[gnu::always_inline]] static void byte_pairs8(const uint8_t* const* blocks, int offset,
                                                 __m256i (&pairs)[8]) {
    __m256i r[4];
    for (int i = 0; i < 4; ++i) {
      const auto at = [&](int block) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(blocks[block] + offset));
      };
      r[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(at(i)), at(i + 4), 1);
    }
    transpose_fours<32>(r[0], r[1], r[2], r[3]);
    for (int i = 0; i < 4; ++i) {  // four codes of eight blocks each
      __m256i first, second;
      bytes<kE4m3>(r[i], first, second);
      const __m256 x = _mm256_castsi256_ps(first), y = _mm256_castsi256_ps(second);
      pairs[2 * i] = _mm256_castps_si256(_mm256_shuffle_ps(x, y, 0x88));
      pairs[2 * i + 1] = _mm256_castps_si256(_mm256_shuffle_ps(x, y, 0xdd));
    }
  }

  /// 32 nibbles in order, one per byte.
  static __m256i nibbles(const uint8_t* p) {
    const __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_and_si256(_mm256_or_si256(wide, _mm256_slli_epi16(wide, 4)),
                            _mm256_set1_epi8(15));
  }

  static void e2m1(const uint8_t* p, __m256i& first, __m256i& second) {
    const __m256i table = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12));
    const __m256i bytes = _mm256_shuffle_epi8(table, nibbles(p));
    const __m256i zero = _mm256_setzero_si256();
    // In the high byte of each element, so that one shift extends the sign.
    first = _mm256_srai_epi16(_mm256_unpacklo_epi8(zero, bytes), 8);
    second = _mm256_srai_epi16(_mm256_unpackhi_epi8(zero, bytes), 8);
  }

  template <int kBits>
  static void codes32(const uint8_t* p, __m256i& first, __m256i& second) {
    if constexpr (kBits == 8 || kBits == 4) {
      widen(kBits == 8 ? load256(p) : nibbles(p), first, second);
    } else {
      first = spread<kBits>(p, p + 2 * kBits);
      second = spread<kBits>(p + kBits, p + 3 * kBits);
    }
  }

  /// Eight codes from each of two runs of kBits bytes: the two bytes that hold
  /// a code go to its element, a product moves the code to the element's top, a
  /// shift down to its bottom.
  template <int kBits>
  static __m256i spread(const uint8_t* a, const uint8_t* b) {
    static constexpr Spread<kBits> kSpread;
    const __m256i bytes = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(a))),
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(b)), 1);
    const __m256i words = _mm256_shuffle_epi8(bytes, load256(kSpread.index));
    const __m256i tops =
        _mm256_mullo_epi16(words, load256(reinterpret_cast<const uint8_t*>(kSpread.power)));
    return _mm256_srli_epi16(tops, 16 - kBits);
  }

  template <int kBits>
  struct Spread {
    alignas(32) uint8_t index[32] = {};
    alignas(32) uint16_t power[16] = {};
    constexpr Spread() {
      for (int i = 0; i < 16; ++i) {
        const int bit = i % 8 * kBits;
        index[2 * i] = static_cast<uint8_t>(bit / 8);
        index[2 * i + 1] = static_cast<uint8_t>(bit / 8 + 1);  // past the run: shifted out
        power[i] = static_cast<uint16_t>(1u << (16 - kBits - bit % 8));
      }
    }
  };
};

}  // namespace
}  // namespace octavo::avx2
