// kernels/avx512: 16 float lanes in one register (AVX-512 F, BW, VL, DQ).
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/x86_codes.h"

namespace octavo::avx512 {
namespace {

struct Ints;

#if defined(__AVX512VNNI__) && defined(__AVX512VBMI__) && defined(__GFNI__)
#define OCTAVO_VNNI 1
#else
#define OCTAVO_VNNI 0
#endif
#if OCTAVO_VNNI && defined(__AVX512FP16__)
#define OCTAVO_FP16 1
#else
#define OCTAVO_FP16 0
#endif

#if OCTAVO_VNNI
// Both bytes of a BF16 number from an E4M3 code s eeee mmm, see Vec::load_e4m3_blocks.
constexpr int64_t kLowByte = bit_map({0, 0, 0, 0, 1, 2, 4, 8});
constexpr int64_t kHighByte = bit_map({16, 32, 64, 0, 0, 0, 0, 128});

/// Where the bytes of four runs of 16 come from, so that words made of the low and of the high
/// eight bytes of every 16 have one word of each run in a lane: of the first and third, and of the
/// second and fourth.
struct Quarters {
  alignas(64) uint8_t index[64] = {};
  constexpr Quarters() {
    for (int i = 0; i < 64; ++i) {
      const int lane = i / 16 * 4 + i % 8 / 2, run = i % 2 * 2 + i / 8 % 2;
      index[i] = static_cast<uint8_t>(run * 16 + lane);
    }
  }
};
#endif

struct Vec {
  using Ints = avx512::Ints;
  // Tile of the f32 panels: 4 x 6 sums, 6 inputs and a weight are 31 of 32
  // registers.
  static constexpr int kTokenTile = 6;
  static constexpr int kParts = 1;
  using Part = __m512;
  static Part zero_part() { return _mm512_setzero_ps(); }
  static Part load_part(const float* p) { return _mm512_loadu_ps(p); }
  static void store_part(Part a, float* p) { _mm512_storeu_ps(p, a); }
  static Part fma_part(Part a, Part b, Part c) { return _mm512_fmadd_ps(a, b, c); }
  // Tile of the integer panels: 6 x 4 sums, 4 weights, an input and a product are 30 of 32
  // registers.
  static constexpr int kPanelTokens = 6, kPanelVectors = 4;
  // Rows of f32 products are worth decoding by blocks of 64 columns.
  static constexpr bool kBlocks = true;
  // Sums that the tiles of attention hold in registers, beside the operands.
  static constexpr int kSums = 16;
  __m512 v;

  static Vec zero() { return {_mm512_setzero_ps()}; }
  static Vec broadcast(float value) { return {_mm512_set1_ps(value)}; }
  static Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  /// Nearest even; NaN stays NaN.
  void store_bf16(uint8_t* p) const {
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i result = _mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, nan, quiet), 16);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(result));
  }

  static Vec load_bf16(const uint8_t* p) {
    // Each word goes to the upper half of a lane.
    const __m512i place = _mm512_slli_epi32(
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), 16);
    const __m512i bits =
        _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return {_mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, place, bits))};
  }
  static Vec load_i8(const uint8_t* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
  }
  static Vec load_f16(const uint8_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  /// E4M3 shifted into FP16 is 1/256 of its value, subnormals included; 0x7F
  /// reads as 480 / 256.
  static Vec load_e4m3_256th(const uint8_t* p) {
    const __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    const __m256i half = _mm256_and_si256(_mm256_slli_epi16(wide, 7), _mm256_set1_epi16(-0x4080));
    return {_mm512_cvtph_ps(half)};
  }
#if OCTAVO_VNNI
  /// 64 codes of E4M3 in order of each row, times the scales of both halves, of which `scales` are
  /// two BF16 numbers times 2^-7: E4M3's fields lie as in BF16, whose exponent is then raised. 0x7F
  /// reads as 480. False, and nothing done, for zeros and subnormal numbers, which have no
  /// exponent.
  template <int kRows>
  [[gnu::always_inline]] static bool load_e4m3_blocks(const uint8_t* const (&codes)[kRows],
                                                      const uint16_t* const (&scales)[kRows],
                                                      Vec (*out)[4]) {
    static_assert(kRows == 1 || kRows == 2);
    alignas(64) static constexpr Quarters kQuarters;
    __m512i bytes[kRows];
    __mmask64 without[kRows];
    for (int r = 0; r < kRows; ++r) {
      bytes[r] =
          _mm512_permutexvar_epi8(_mm512_load_si512(kQuarters.index), _mm512_loadu_si512(codes[r]));
      without[r] = _mm512_testn_epi8_mask(bytes[r], _mm512_set1_epi8(0x78));
    }
    if (!_kortestz_mask64_u8(without[0], without[kRows - 1])) [[unlikely]]
      return false;
    const __m512i upper = _mm512_set1_epi32(static_cast<int32_t>(0xffff0000));
    for (int r = 0; r < kRows; ++r) {
      const __m512i low = _mm512_gf2p8affine_epi64_epi8(bytes[r], _mm512_set1_epi64(kLowByte), 0);
      const __m512i high = _mm512_gf2p8affine_epi64_epi8(bytes[r], _mm512_set1_epi64(kHighByte), 0);
      int32_t both;
      std::memcpy(&both, scales[r], 4);
      const __m512i raise = _mm512_set1_epi32(both);
      const __m512i even = _mm512_add_epi16(_mm512_unpacklo_epi8(low, high), raise);
      const __m512i odd = _mm512_add_epi16(_mm512_unpackhi_epi8(low, high), raise);
      out[r][0].v = _mm512_castsi512_ps(_mm512_slli_epi32(even, 16));
      out[r][1].v = _mm512_castsi512_ps(_mm512_slli_epi32(odd, 16));
      out[r][2].v = _mm512_castsi512_ps(_mm512_and_si512(even, upper));
      out[r][3].v = _mm512_castsi512_ps(_mm512_and_si512(odd, upper));
    }
    return true;
  }
#endif
  /// 2^(byte - 127).
  static Vec load_e8m0(const uint8_t* p) {
    const __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    // 2^-127 is subnormal; 255 becomes infinity, which only a broken file
    // holds.
    return {_mm512_castsi512_ps(
        _mm512_max_epi32(_mm512_slli_epi32(wide, 23), _mm512_set1_epi32(0x00400000)))};
  }
  static Vec load_e2m1(const uint8_t* p) {
    const __m512 table =
        _mm512_setr_ps(0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6);
    return {_mm512_permutexvar_ps(_mm512_cvtepu8_epi32(unpack_nibbles(p)), table)};
  }
  template <int kBits>
  static Vec load_codes(const uint8_t* p) {
    return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(unpack_codes<kBits>(p)))};
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
  static Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  static Vec fused(Vec a, Vec b, Vec c) { return fma(a, b, c); }
  static Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
  static Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
  static Vec round(Vec a) {
    return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  static Vec pow2(Vec n) {
    const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(biased, 23))};
  }
  float sum() const {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  /// Lane i of the result is the sum(), to the bit, of the 16 floats at p + i * stride.
  static Vec sums(const float* p, int64_t stride) {
    __m512 eight[8], four[4], two[2];
    for (int i = 0; i < 8; ++i) {
      const __m512 a = _mm512_loadu_ps(p + i * stride), b = _mm512_loadu_ps(p + (i + 8) * stride);
      eight[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    }
    for (int i = 0; i < 4; ++i) {  // 128 bits each of rows i, i + 8, i + 4, i + 12
      four[i] = _mm512_add_ps(_mm512_shuffle_f32x4(eight[i], eight[i + 4], 0x88),
                              _mm512_shuffle_f32x4(eight[i], eight[i + 4], 0xdd));
    }
    for (int i = 0; i < 2; ++i) {  // in each of them rows i and i + 2
      const __m512d a = _mm512_castps_pd(four[i]), b = _mm512_castps_pd(four[i + 2]);
      two[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)),
                             _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
    }
    // In each 128 bits rows 0, 2, 1, 3, plus 0, 8, 4 and 12.
    const __m512 one = _mm512_add_ps(_mm512_shuffle_ps(two[0], two[1], 0x88),
                                     _mm512_shuffle_ps(two[0], two[1], 0xdd));
    const __m512i lane = _mm512_setr_epi32(0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15);
    return {_mm512_permutexvar_ps(lane, one)};
  }
  /// Lane i of the result is lane index[i] of this; `index` is aligned to 64 bytes.
  Vec pick(const int32_t* index) const {
    return {_mm512_permutexvar_ps(_mm512_load_si512(index), v)};
  }
  float maximum() const { return _mm512_reduce_max_ps(v); }
  Vec abs() const { return {_mm512_abs_ps(v)}; }
  /// Integral lanes within 16 bits.
  void store_int16(int16_t* p) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(v)));
  }
};

}  // namespace
}  // namespace octavo::avx512
