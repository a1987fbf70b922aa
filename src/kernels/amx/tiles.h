// kernels/amx: matrix tiles of BF16 numbers with sums in f32 (AMX-TILE, AMX-BF16), beside the
// vectors of AVX-512.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstdint>

#include "kernels/avx512/ints.h"

namespace octavo::amx {
namespace {

/// n of the value of an E4M3 code without its sign, as BF16: n << 4, with an exponent 117 too
/// small; 0 for zero. 0x7F reads as 480.
constexpr std::array<uint8_t, 128> e4m3_table() {
  std::array<uint8_t, 128> table{};
  for (int code = 1; code < 128; ++code) {
    int exponent = code >> 3, mantissa = code & 7;
    if (exponent == 0) {  // mantissa / 512
      exponent = 1;
      while (mantissa < 8) mantissa *= 2, --exponent;
      mantissa -= 8;
    }
    table[code] = static_cast<uint8_t>((exponent + 3) << 3 | mantissa);
  }
  return table;
}

struct Tiles {
  using V = avx512::Vec;
  using Ints = avx512::Ints;

  /// Tiles 0 to 3 are sums, [2 of tokens][2 of outputs], 4 and 5 inputs, 6 and 7 weights; for
  /// `tokens` tokens, 1 to 32.
  static void configure(int64_t tokens) {
    struct alignas(64) Config {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {};
    } config;
    const auto first = static_cast<uint8_t>(tokens < 16 ? tokens : 16);
    const auto second = static_cast<uint8_t>(tokens > 16 ? tokens - 16 : 1);
    const uint8_t rows[8] = {first, first, second, second, first, second, 16, 16};
    for (int i = 0; i < 8; ++i) config.rows[i] = rows[i];
    asm volatile("ldtilecfg %0" : : "m"(config));
  }
  static void release() { asm volatile("tilerelease"); }

  // Written out: g++ 12's intrinsics do not say that they read memory.
  template <int kTile>
  [[gnu::always_inline]] static void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(kTile));
  }
  template <int kTile>
  [[gnu::always_inline]] static void load(const void* p) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2"
                 :
                 : "r"(p), "r"(int64_t{64}), "i"(kTile)
                 : "memory");
  }
  template <int kTile>
  [[gnu::always_inline]] static void store(float* p, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)"
                 :
                 : "r"(p), "r"(stride * 4), "i"(kTile)
                 : "memory");
  }
  /// sums += inputs x weights: the products of even and of odd columns in a chain of fused
  /// multiply-adds each, from zero, then both, then the sum; to nearest even, subnormal numbers are
  /// zero.
  template <int kSums, int kInputs, int kWeights>
  [[gnu::always_inline]] static void dot() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0"
                 :
                 : "i"(kSums), "i"(kInputs), "i"(kWeights));
  }

  /// The BF16 numbers nearest to 32 values in the order of a tile; a and b become what they leave.
  static Ints split(V& a, V& b) {
    const __m512i words = (__m512i)_mm512_cvtne2ps_pbh(b.v, a.v);
    const auto rest = [](V x, __m256i half) {
      const __m512i bits = _mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
      return V{_mm512_sub_ps(x.v, _mm512_castsi512_ps(bits))};
    };
    a = rest(a, _mm512_castsi512_si256(words));
    b = rest(b, _mm512_extracti64x4_epi64(words, 1));
    return in_order(words);
  }
  /// 32 words in the order of a tile.
  static Ints in_order(__m512i words) {
    return {_mm512_shufflehi_epi16(_mm512_shufflelo_epi16(words, 0xd8), 0xd8)};
  }
  static Ints load_words(const uint8_t* p) { return in_order(_mm512_loadu_si512(p)); }

  /// What e4m3 needs of scales, given as f32, that are in range.
  static Ints scale_words(Ints scales) {
    const __m512i moved = _mm512_sub_epi32(scales.v, _mm512_set1_epi32(10 << 23));
    return {_mm512_or_si512(moved, _mm512_srli_epi32(moved, 16))};
  }
  static constexpr float kLeastScale = 0x1p-117f, kGreatestScale = 0x1p119f;

  /// Four codes of E4M3 in each lane, times the scale of the lane, as BF16: the first and third,
  /// the second and fourth.
  [[gnu::always_inline]] static void e4m3(Ints codes, Ints scale, Ints& first, Ints& second) {
    alignas(64) static constexpr std::array<uint8_t, 128> kTable = e4m3_table();
    const __m512i n = _mm512_permutex2var_epi8(_mm512_load_si512(kTable.data()), codes.v,
                                               _mm512_load_si512(kTable.data() + 64));
    const __m512i field = _mm512_set1_epi16(0x0ff0), sign = _mm512_set1_epi16(-0x8000);
    // Zero has no exponent to be raised.
    const __mmask32 evens = _mm512_test_epi16_mask(codes.v, _mm512_set1_epi16(0x007f));
    const __mmask32 odds = _mm512_test_epi16_mask(codes.v, _mm512_set1_epi16(0x7f00));
    const __m512i even =
        _mm512_maskz_add_epi16(evens, _mm512_and_si512(_mm512_slli_epi16(n, 4), field), scale.v);
    const __m512i odd =
        _mm512_maskz_add_epi16(odds, _mm512_and_si512(_mm512_srli_epi16(n, 4), field), scale.v);
    first.v = _mm512_ternarylogic_epi32(even, _mm512_slli_epi16(codes.v, 8), sign, 0xf8);
    second.v = _mm512_ternarylogic_epi32(odd, codes.v, sign, 0xf8);
  }
};

}  // namespace
}  // namespace octavo::amx
