// kernels: sizes of the panels and tiles of the matrix products: the scratch they need follows from
// these.
#pragma once

#include <cstdint>

namespace octavo {

// In f32: tokens whose partial sums are kept between blocks of columns; and rows that one decoded
// panel holds: the more, the fewer times the inputs are read, as long as the panel (221 KB of 48
// rows of 1152 columns, 551 KB of 32 rows of 4304) stays in the second-level cache.
inline constexpr int64_t kTileTokens = 48;
inline constexpr int64_t panel_rows(int64_t cols) {
  return cols <= 1536 ? 48 : cols <= 4608 ? 32 : 16;
}

// In integers: rows whose group sums are turned into outputs together, one per lane; rows of the
// widest panel of any instruction set; and blocks of columns of a panel: 48 rows of 4,096 16-bit
// weights are 393 KB of the second-level cache.
inline constexpr int64_t kIntegerRows = 16;
inline constexpr int64_t kPanelWidth = 48;
inline constexpr int64_t kPanelBlocks = 64;

}  // namespace octavo
