#if defined(__x86_64__)
#include "kernels/peak.h"

#include "kernels/amx/tiles.h"
#include "kernels/tile_rows.h"

namespace octavo {
namespace {

void multiply_tiles(uint64_t rounds) {
  using amx::Tiles;
  Tiles::configure(32);
  for (uint64_t i = 0; i < rounds; ++i) {
    Tiles::dot<0, 4, 6>();
    Tiles::dot<1, 4, 7>();
    Tiles::dot<2, 5, 6>();
    Tiles::dot<3, 5, 7>();
  }
  Tiles::release();
}

}  // namespace

PeakLoop amx_peak();
PeakLoop amx_peak() {
  return {multiply_tiles, 4 * 2 * kTileHeight * kTileWords};
}

}  // namespace octavo
#endif
