// kernels: activations as BF16 numbers in matrix tiles, the input of matmul_tiles.
//
// A value is the sum of `parts` BF16 numbers, each the nearest one to what the ones before it
// leave: two are within 2^-17 of it, three are it (from 2^-103 on). Rows lie in blocks of 16, a
// block in steps of 32 columns, a step in one tile of 1 KiB per part: 16 rows of 32 numbers, of
// every four the first, third, second and fourth. Columns past the end are zero; rows past the end
// are never read.
#pragma once

#include <cstdint>

namespace octavo {

inline constexpr int64_t kTileHeight = 16;      // rows of a tile: tokens or outputs
inline constexpr int64_t kTileColumns = 32;     // of weights and inputs
inline constexpr int64_t kTileWords = 16 * 32;  // BF16 numbers of a tile

constexpr int64_t tile_steps(int64_t cols) {
  return (cols + kTileColumns - 1) / kTileColumns;
}

constexpr int64_t tile_blocks(int64_t rows) {
  return (rows + kTileHeight - 1) / kTileHeight;
}

/// Words of a block of 16 rows.
constexpr int64_t tile_block_words(int64_t cols, int parts) {
  return tile_steps(cols) * parts * kTileWords;
}

/// Where row `row` begins, in words from its first block of `block_words`.
constexpr int64_t tile_row_place(int64_t row, int64_t block_words) {
  return row / kTileHeight * block_words + row % kTileHeight * kTileColumns;
}

}  // namespace octavo
