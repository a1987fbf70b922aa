#include "numerics/packing.h"

#include <cstring>

#include "base/fail.h"

namespace octavo {
namespace {

// Eight codes of kBits bits fill kBits whole bytes.
template <int kBits>
void pack(const uint8_t* codes, int count, uint8_t* packed) {
  for (int i = 0; i < count; i += 8, codes += 8, packed += kBits) {
    uint64_t word = 0;
    for (int j = 0; j < 8; ++j) word |= uint64_t{codes[j]} << (j * kBits);
    for (int byte = 0; byte < kBits; ++byte) {
      packed[byte] = static_cast<uint8_t>(word >> (8 * byte));
    }
  }
}

template <int kBits>
void unpack(const uint8_t* packed, int count, uint8_t* codes) {
  constexpr uint64_t kMask = (1u << kBits) - 1;
  for (int i = 0; i < count; i += 8, codes += 8, packed += kBits) {
    uint64_t word = 0;
    for (int byte = 0; byte < kBits; ++byte) word |= uint64_t{packed[byte]} << (8 * byte);
    for (int j = 0; j < 8; ++j) codes[j] = static_cast<uint8_t>((word >> (j * kBits)) & kMask);
  }
}

[[noreturn]] void fail_bits(int bits) {
  fail(ErrorCode::kInternal, "packing: {} bits, expected 2, 3, 4, 5, 6 or 8", bits);
}

}  // namespace

void pack_codes(const uint8_t* codes, int count, int bits, uint8_t* packed) {
  switch (bits) {
    case 2:
      return pack<2>(codes, count, packed);
    case 3:
      return pack<3>(codes, count, packed);
    case 4:
      return pack<4>(codes, count, packed);
    case 5:
      return pack<5>(codes, count, packed);
    case 6:
      return pack<6>(codes, count, packed);
    case 8:
      std::memcpy(packed, codes, static_cast<size_t>(count));
      return;
    default:
      fail_bits(bits);
  }
}

void unpack_codes(const uint8_t* packed, int count, int bits, uint8_t* codes) {
  switch (bits) {
    case 2:
      return unpack<2>(packed, count, codes);
    case 3:
      return unpack<3>(packed, count, codes);
    case 4:
      return unpack<4>(packed, count, codes);
    case 5:
      return unpack<5>(packed, count, codes);
    case 6:
      return unpack<6>(packed, count, codes);
    case 8:
      std::memcpy(codes, packed, static_cast<size_t>(count));
      return;
    default:
      fail_bits(bits);
  }
}

}  // namespace octavo
