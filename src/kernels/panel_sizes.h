// kernels: sizes of the panels and tiles of the matrix products: the scratch they need follows from
// these.
#pragma once

#include <cstdint>

namespace octavo {

// In f32: tokens whose partial sums are kept between blocks of columns; and rows that one decoded
// panel holds, a multiple of 16: the more, the fewer times the inputs are read, which costs more
// than a panel that does not fit the second-level cache, up to 2 MiB.
inline constexpr int64_t kTileTokens = 48;
inline constexpr int64_t panel_rows(int64_t cols) {
  return cols <= 8192 ? 64 : cols <= 16384 ? 32 : 16;
}

/// Tokens of the next tile, or chunks of the next block, of `left`, at most `most` each: of one
/// size, as a small one is slow.
inline constexpr int64_t next_tile(int64_t left, int64_t most) {
  const int64_t tiles = (left + most - 1) / most;
  return (left + tiles - 1) / tiles;
}

/// Floats from one row to the next, of a panel or of inputs. An odd number of KiB: blocks of
/// 2.75 KiB of four rows then lie evenly over a way of the first-level cache, 4 KiB, where rows a
/// multiple of that apart share a few of its lines. Shorter rows need not.
inline constexpr int64_t stride_of(int64_t cols) {
  return cols < 1024 ? cols : cols + (768 - cols % 512) % 512;
}

// In integers: rows whose partial sums are added up together, one row per lane.
inline constexpr int64_t kIntegerRows = 16;
// Blocks of 64 columns that rows of several tokens may take together; the last ones are padded.
inline constexpr int kHalfStep = 4;
// The widest panel of any instruction set, in vectors of 16 rows. A panel holds whole rows, as many
// as fit into half of a second-level cache of 1 MiB.
inline constexpr int64_t kMostPanelVectors = 4;
inline constexpr int64_t kPanelBytes = 1 << 19;

/// Vectors of a panel of rows of `blocks` blocks of 64 weights, 2 bytes each.
constexpr int64_t panel_vectors(int64_t blocks, int64_t most) {
  const int64_t fitting = blocks > 0 ? kPanelBytes / (16 * blocks * 64 * 2) : most;
  return fitting < 1 ? 1 : fitting < most ? fitting : most;
}

// In matrix tiles: floats per group of 16 rows, a scale and a bias each.
inline constexpr int64_t kTileSides = 16 * 2;
// Rows of a panel, of which 32 take 2 KiB per step of 32 columns. The inputs of up to 64 tokens
// stay in the second-level cache (2 MiB) beside a panel of 64 rows; more tokens come from the third
// again for every panel, which should then be half of the second.
inline constexpr int64_t kTilePanelBytes = 1 << 20;
inline constexpr int64_t kMostTileRows = 128;

/// A multiple of 32; `steps` > 0.
constexpr int64_t tile_panel_rows(int64_t steps, int64_t tokens) {
  const int64_t fitting = 32 * (kTilePanelBytes / (steps * 2048)),
                most = tokens <= 64 ? 64 : kMostTileRows;
  return fitting < 32 ? 32 : fitting < most ? fitting : most;
}

}  // namespace octavo
