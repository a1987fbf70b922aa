// numerics: codes of 2..8 bits <-> the little-endian bit stream of a stored row.
#pragma once

#include <cstdint>

namespace octavo {

/// Packs `count` codes (a multiple of 8), each below 2^bits: code i takes the bits
/// [i*bits, (i+1)*bits), low bits first. Writes count/8*bits bytes.
void pack_codes(const uint8_t* codes, int count, int bits, uint8_t* packed);

/// The reverse.
void unpack_codes(const uint8_t* packed, int count, int bits, uint8_t* codes);

}  // namespace octavo
