// kernels: 16 packed integer codes as bytes, for the instruction sets of x86-64 with BMI2, and maps
// of bits. Included by their vec.h and ints.h only; the anonymous namespace keeps each file's copy
// to its own instruction set.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace octavo {
namespace {

/// The operand of gf2p8affineqb for which bit i of a result is the parity of byte & masks[i].
constexpr int64_t bit_map(const uint8_t (&masks)[8]) {
  uint64_t map = 0;
  for (const uint8_t mask : masks) map = map << 8 | mask;
  return static_cast<int64_t>(map);
}
/// That of the exponent of an E4M3 code s eeee mmm.
inline constexpr int64_t kExponentBits = bit_map({8, 16, 32, 64, 0, 0, 0, 0});

/// Element 2j from the low nibble of byte j, element 2j + 1 from the high one.
inline __m128i unpack_nibbles(const uint8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  const __m128i mask = _mm_set1_epi8(15);
  return _mm_unpacklo_epi8(_mm_and_si128(bytes, mask),
                           _mm_and_si128(_mm_srli_epi16(bytes, 4), mask));
}

/// Two runs of eight codes of `kBits` bits, kBits bytes each: nothing is read past them.
template <int kBits>
__m128i unpack_codes(const uint8_t* p) {
  if constexpr (kBits == 8) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  if constexpr (kBits == 4) return unpack_nibbles(p);
  constexpr uint64_t kMask = 0x0101010101010101u * ((1u << kBits) - 1);
  // Two overlapping loads of a whole word each: one put together from parts would wait for the
  // store buffer.
  using Word = std::conditional_t<kBits >= 4, uint64_t, uint32_t>;
  Word low, high;
  std::memcpy(&low, p, sizeof low);
  std::memcpy(&high, p + 2 * kBits - sizeof high, sizeof high);
  high >>= 8 * (sizeof high - kBits);
  return _mm_set_epi64x(static_cast<int64_t>(_pdep_u64(high, kMask)),
                        static_cast<int64_t>(_pdep_u64(low, kMask)));
}

}  // namespace
}  // namespace octavo
