// kernels: sizes of the panels and tiles of the matrix products: the scratch they need follows from
// these.
#pragma once

#include <cstdint>

namespace octavo {

// In f32: rows that one decoded panel holds, read by every tile of tokens from the second-level
// cache; and tokens whose partial sums are kept between blocks of columns.
inline constexpr int64_t kPanelRows = 16;
inline constexpr int64_t kTileTokens = 48;

// In integers: rows whose group sums are turned into outputs together, one per lane; rows of the
// widest panel of any instruction set; and blocks of columns of a panel: 48 rows of 4,096 16-bit
// weights are 393 KB of the second-level cache.
inline constexpr int64_t kIntegerRows = 16;
inline constexpr int64_t kPanelWidth = 48;
inline constexpr int64_t kPanelBlocks = 64;

}  // namespace octavo
