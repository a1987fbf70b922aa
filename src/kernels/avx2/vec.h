// kernels/avx2: 16 float lanes in two registers (AVX2, FMA, F16C, BMI2).
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/x86_codes.h"

namespace octavo::avx2 {
namespace {

struct Ints;

struct Vec {
  using Ints = avx2::Ints;
  // Tile of the f32 panels: 4 x 3 sums, 3 inputs and a weight are the 16
  // registers.
  static constexpr int kTokenTile = 3;
  static constexpr int kParts = 2;
  using Part = __m256;
  static Part zero_part() { return _mm256_setzero_ps(); }
  static Part load_part(const float* p) { return _mm256_loadu_ps(p); }
  static void store_part(Part a, float* p) { _mm256_storeu_ps(p, a); }
  static Part fma_part(Part a, Part b, Part c) { return _mm256_fmadd_ps(a, b, c); }
  // Tile of the integer panels: 12 registers of sums, 2 of weights, 1 of
  // inputs, 1 of products.
  static constexpr int kPanelTokens = 6, kPanelVectors = 1;
  // Sums that the tiles of attention hold in registers, beside the operands.
  static constexpr int kSums = 4;
  __m256 low, high;

  static Vec zero() { return broadcast(0.0f); }
  static Vec broadcast(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
  static Vec load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  void store(float* p) const {
    _mm256_storeu_ps(p, low);
    _mm256_storeu_ps(p + 8, high);
  }
  /// Nearest even; NaN stays NaN.
  void store_bf16(uint8_t* p) const {
    // Packing works within halves of 128 bits: the middle two quarters change places.
    const __m256i packed = _mm256_packus_epi32(bf16_bits(low), bf16_bits(high));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xd8));
  }

  static Vec load_bf16(const uint8_t* p) { return {bf16(p), bf16(p + 16)}; }
  static Vec load_i8(const uint8_t* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
  }
  static Vec load_f16(const uint8_t* p) { return {f16(p), f16(p + 16)}; }
  /// E4M3 shifted into FP16 is 1/256 of its value, subnormals included; 0x7F
  /// reads as 480 / 256.
  static Vec load_e4m3_256th(const uint8_t* p) {
    const __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    const __m256i half = _mm256_and_si256(_mm256_slli_epi16(wide, 7), _mm256_set1_epi16(-0x4080));
    return {_mm256_cvtph_ps(_mm256_castsi256_si128(half)),
            _mm256_cvtph_ps(_mm256_extracti128_si256(half, 1))};
  }
  /// 2^(byte - 127); 255 becomes infinity, which only a broken file holds.
  static Vec load_e8m0(const uint8_t* p) { return {e8m0(p), e8m0(p + 8)}; }
  static Vec load_e2m1(const uint8_t* p) {
    // Twice the value fits a signed byte.
    const __m128i table = _mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
    const __m128i twice = _mm_shuffle_epi8(table, unpack_nibbles(p));
    const Vec value = {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(twice)),
                       _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(twice, 8)))};
    return value * broadcast(0.5f);
  }
  template <int kBits>
  static Vec load_codes(const uint8_t* p) {
    const __m128i bytes = unpack_codes<kBits>(p);
    return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))};
  }

  friend Vec operator+(Vec a, Vec b) {
    return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
  }
  friend Vec operator-(Vec a, Vec b) {
    return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
  }
  friend Vec operator*(Vec a, Vec b) {
    return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
  }
  friend Vec operator/(Vec a, Vec b) {
    return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
  }
  static Vec fma(Vec a, Vec b, Vec c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  static Vec fused(Vec a, Vec b, Vec c) { return fma(a, b, c); }
  static Vec min(Vec a, Vec b) {
    return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
  }
  static Vec max(Vec a, Vec b) {
    return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
  }
  static Vec round(Vec a) {
    constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(a.low, kMode), _mm256_round_ps(a.high, kMode)};
  }
  static Vec pow2(Vec n) { return {pow2(n.low), pow2(n.high)}; }
  float sum() const {
    const __m256 eight = _mm256_add_ps(low, high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  /// Lane i of the result is the sum(), to the bit, of the 16 floats at p + i * stride.
  static Vec sums(const float* p, int64_t stride) {
    return {sums8(p, stride), sums8(p + 8 * stride, stride)};
  }
  /// Lane i of the result is lane index[i] of this; `index` is aligned to 64 bytes.
  Vec pick(const int32_t* index) const { return {pick8(index), pick8(index + 8)}; }
  float maximum() const {
    const __m256 eight = _mm256_max_ps(low, high);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
  Vec abs() const {
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    return {_mm256_and_ps(low, magnitude), _mm256_and_ps(high, magnitude)};
  }
  /// Integral lanes within 16 bits.
  void store_int16(int16_t* p) const {
    const __m256i packed = _mm256_packs_epi32(_mm256_cvtps_epi32(low), _mm256_cvtps_epi32(high));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xd8));
  }

 private:
  static __m256 sums8(const float* p, int64_t stride) {
    __m256 eight[8], four[4], two[2];
    for (int i = 0; i < 8; ++i) {
      eight[i] =
          _mm256_add_ps(_mm256_loadu_ps(p + i * stride), _mm256_loadu_ps(p + i * stride + 8));
    }
    for (int i = 0; i < 4; ++i) {  // 128 bits each of rows i and i + 4
      four[i] = _mm256_add_ps(_mm256_permute2f128_ps(eight[i], eight[i + 4], 0x20),
                              _mm256_permute2f128_ps(eight[i], eight[i + 4], 0x31));
    }
    for (int i = 0; i < 2; ++i) {  // in each of them rows i and i + 2
      const __m256d a = _mm256_castps_pd(four[i]), b = _mm256_castps_pd(four[i + 2]);
      two[i] = _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)),
                             _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)));
    }
    const __m256 one = _mm256_add_ps(_mm256_shuffle_ps(two[0], two[1], 0x88),
                                     _mm256_shuffle_ps(two[0], two[1], 0xdd));
    return _mm256_permute_ps(one, 0xd8);  // rows 0, 2, 1, 3
  }
  static __m256 e8m0(const uint8_t* p) {
    const __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(
        _mm256_max_epi32(_mm256_slli_epi32(wide, 23), _mm256_set1_epi32(0x00400000)));
  }
  static __m256 bf16(const uint8_t* p) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  /// The BF16 of each lane, as 32-bit integers.
  static __m256i bf16_bits(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
  }
  static __m256 f16(const uint8_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  __m256 pick8(const int32_t* index) const {
    const __m256i lanes = _mm256_load_si256(reinterpret_cast<const __m256i*>(index));
    // Bit 3 of an index, moved to the sign, chooses the half.
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, lanes),
                            _mm256_permutevar8x32_ps(high, lanes),
                            _mm256_castsi256_ps(_mm256_slli_epi32(lanes, 28)));
  }
  static __m256 pow2(__m256 n) {
    const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
  }
};

}  // namespace
}  // namespace octavo::avx2
