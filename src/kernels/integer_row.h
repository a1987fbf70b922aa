// kernels: one row of activations in integers, the input of the fast matrix products.
//
// Each group of 32 values has one scale: x[i] is about codes[i] * scales[i / 32], |codes| <= 4095.
// A weight of any format is an integer of at most 15,360 times the scale of its group, so that 32
// products fit 32 bits: sums inside a group are exact, and their order does not matter. Only the
// sums of the groups, added up in an order fixed by the columns (matmul_integer.h), are rounded.
// That is why a fast product has the same bits on every instruction set, for any number of tokens.
#pragma once

#include <cstdint>

namespace octavo {

inline constexpr int64_t kIntegerGroup = 32;
inline constexpr int64_t kIntegerBlock = 64;  // columns are padded to whole blocks
inline constexpr int32_t kIntegerMax = 4095;

/// Codes of a block of 64 lie where the instruction set's decoder leaves weights
/// (Kernels::code_place), so a row serves the kernels of one table only. In any of them the 16-bit
/// codes 16 g to 16 g + 15 of both halves of a block belong to group g, and 8 q to 8 q + 7 to its
/// q-th run of 16 elements. Elements past the row's end are zero.
struct IntegerRow {
  int16_t* codes;  // [integer_blocks(n) * 64]
  float* scales;   // [integer_blocks(n) * 2]
  float* sums;     // [integer_blocks(n) * 2], sum of a group's codes times its scale
};

constexpr int64_t integer_blocks(int64_t n) {
  return (n + kIntegerBlock - 1) / kIntegerBlock;
}

/// Bytes of one row of `n` values; rows laid end to end stay aligned.
constexpr int64_t integer_row_bytes(int64_t n) {
  return integer_blocks(n) * (kIntegerBlock * 2 + 2 * 4 * 2);
}

/// The row of `n` values that begins at `memory`, which is aligned to 4 bytes.
inline IntegerRow integer_row_at(void* memory, int64_t n) {
  const int64_t blocks = integer_blocks(n);
  auto* codes = static_cast<int16_t*>(memory);
  auto* scales = reinterpret_cast<float*>(codes + blocks * kIntegerBlock);
  return {codes, scales, scales + 2 * blocks};
}

}  // namespace octavo
