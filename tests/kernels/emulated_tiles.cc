// clang-format off: the vectors come before what is written against them.
#include "kernels/scalar/vec.h"
#include "kernels/scalar/ints.h"
#include "kernels/matmul_tiles.h"
// clang-format on
#include <cmath>
#include <cstring>

#include "emulated.h"
#include "kernels/tables.h"
#include "numerics/bfloat16.h"

namespace octavo {
namespace {

/// Matrix tiles as amx/tiles.h has them.
struct EmulatedTiles {
  using V = scalar::Vec;
  using Ints = scalar::Ints;
  static inline thread_local uint8_t tile[8][16][64];
  static inline thread_local int64_t rows[8];

  static void configure(int64_t tokens) {
    const int64_t first = tokens < 16 ? tokens : 16, second = tokens > 16 ? tokens - 16 : 1;
    for (int i = 0; i < 6; ++i) rows[i] = i == 2 || i == 3 || i == 5 ? second : first;
    rows[6] = rows[7] = 16;
    std::memset(tile, 0, sizeof tile);
  }
  static void release() { std::memset(rows, 0, sizeof rows); }
  template <int kTile>
  static void zero() {
    std::memset(tile[kTile], 0, sizeof tile[kTile]);
  }
  template <int kTile>
  static void load(const void* p) {
    std::memcpy(tile[kTile], p, static_cast<size_t>(rows[kTile] * 64));
  }
  template <int kTile>
  static void store(float* p, int64_t stride) {
    for (int64_t i = 0; i < rows[kTile]; ++i) std::memcpy(p + i * stride, tile[kTile][i], 64);
  }
  /// Subnormal numbers are zero.
  static float flushed(float x) { return std::abs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }
  static float number(const uint8_t* p) {
    uint16_t bits;
    std::memcpy(&bits, p, 2);
    return flushed(bf16_to_float(bits));
  }
  template <int kSums, int kInputs, int kWeights>
  static void dot() {
    for (int64_t m = 0; m < rows[kSums]; ++m) {
      for (int n = 0; n < 16; ++n) {
        float half[2] = {0, 0};
        for (int k = 0; k < 32; ++k) {
          half[k % 2] =
              flushed(std::fma(number(&tile[kInputs][m][2 * k]),
                               number(&tile[kWeights][k / 2][4 * n + k % 2 * 2]), half[k % 2]));
        }
        float sum;
        std::memcpy(&sum, &tile[kSums][m][4 * n], 4);
        sum = flushed(sum + flushed(half[0] + half[1]));
        std::memcpy(&tile[kSums][m][4 * n], &sum, 4);
      }
    }
  }

  /// Where element i of 32 lies in a tile.
  static constexpr int place(int i) { return i / 4 * 4 + i % 2 * 2 + i % 4 / 2; }
  static Ints split(V& a, V& b) {
    uint16_t words[32];
    for (int i = 0; i < 32; ++i) {
      float& x = i < 16 ? a.lane[i] : b.lane[i - 16];
      words[place(i)] = float_to_bf16(flushed(x));
      x -= bf16_to_float(words[place(i)]);
    }
    return Ints::load(words);
  }
  static Ints load_words(const uint8_t* p) {
    uint16_t in[32], words[32];
    std::memcpy(in, p, sizeof in);
    for (int i = 0; i < 32; ++i) words[place(i)] = in[i];
    return Ints::load(words);
  }
  /// The scale itself, in f32.
  static Ints scale_words(Ints scales) { return scales; }
  static constexpr float kLeastScale = 0x1p-117f, kGreatestScale = 0x1p119f;
  static void e4m3(Ints codes, Ints scale, Ints& first, Ints& second) {
    for (int i = 0; i < 16; ++i) {
      uint16_t words[4];
      for (int j = 0; j < 4; ++j) {
        const int code = codes.lane[i] >> 8 * j & 0xff, exponent = code >> 3 & 15;
        const float size = exponent == 0
                               ? std::ldexp(static_cast<float>(code & 7), -9)
                               : std::ldexp(static_cast<float>(8 + (code & 7)), exponent - 10);
        words[j] = float_to_bf16((code & 0x80 ? -size : size) * scale.floats().lane[i]);
      }
      first.lane[i] = words[0] | words[2] << 16;
      second.lane[i] = words[1] | words[3] << 16;
    }
  }
};

}  // namespace

const Kernels& emulated_tiles() {
  static const Kernels table = [] {
    Kernels all = scalar_kernels();
    all.name = "emulated tiles";
    all.split_row = split_row<EmulatedTiles>;
    all.matmul_tiles = matmul_tiles<EmulatedTiles>;
    return all;
  }();
  return table;
}

}  // namespace octavo
