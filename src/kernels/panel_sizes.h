// kernels: sizes of the panels and tiles of the matrix products: the scratch they need follows from
// these.
#pragma once

#include <cstdint>

namespace octavo {

// In f32: rows that one decoded panel holds, read by every tile of tokens from the second-level
// cache; and tokens whose partial sums are kept between blocks of columns.
inline constexpr int64_t kPanelRows = 16;
inline constexpr int64_t kTileTokens = 48;

// In integers: rows whose partial sums are added up together, one row per lane.
inline constexpr int64_t kIntegerRows = 16;
// The widest panel of any instruction set, in vectors of 16 rows. A panel holds whole rows, as many
// as fit into half of a second-level cache of 1 MiB.
inline constexpr int64_t kMostPanelVectors = 3;
inline constexpr int64_t kPanelBytes = 1 << 19;

/// Vectors of a panel of rows of `blocks` blocks of 64 weights, 2 bytes each.
constexpr int64_t panel_vectors(int64_t blocks, int64_t most) {
  const int64_t fitting = blocks > 0 ? kPanelBytes / (16 * blocks * 64 * 2) : most;
  return fitting < 1 ? 1 : fitting < most ? fitting : most;
}

}  // namespace octavo
