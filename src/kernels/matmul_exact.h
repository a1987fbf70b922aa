// kernels: matrix products in f32.
// Part of body.h: see there.
#pragma once

#include <algorithm>
#include <type_traits>

#include "kernels/formats.h"
#include "kernels/kernels.h"
#include "kernels/panel_sizes.h"
#include "kernels/prefetch.h"

namespace octavo {
namespace {

/// A block of weights that the tiles of tokens read again and again, measured: where a vector is
/// one register the second-level cache keeps up with a whole panel, elsewhere 4 rows of 2.75 KiB
/// stay in the first.
template <class V>
struct WeightBlock {
  static constexpr bool kWide = V::kParts == 1;
  static constexpr int64_t kRows = kWide ? 64 : 4;
  static constexpr int64_t kChunks = kWide ? 64 : 44;  // of 16 columns
};

/// Chunk `c` of a row; with kWhole known not to be short.
template <class V, class Format, bool kWhole>
[[gnu::always_inline]] inline V load_chunk(const Row& row, int64_t c) {
  if constexpr (kWhole && requires { Format::load_whole(row, c); }) {
    return Format::load_whole(row, c);
  } else {
    return Format::load(row, c);
  }
}

/// Rows of few tokens whose scales are decoded together, and whose sums are added up together.
constexpr int64_t kFewRows = 16;

/// Products of kRows rows, which lie one behind the other, with kTokens tokens, straight from the
/// stored form: partial sums at out + (t * kFewRows + r) * 16. Unrolled by request: g++ keeps an
/// array of sums in memory otherwise, and the chain of sums then goes through it.
template <class V, class Format, int kRows, int kTokens>
[[gnu::noinline]] void dot_fused(const Row* rows, const float* const* x, int64_t chunks,
                                 int64_t row_bytes, float* out) {
  V sums[kRows][kTokens];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; ++t) sums[r][t] = V::zero();
  }
  constexpr int64_t kStepBytes = Format::kChunkBytes * kRows;
  constexpr int kEvery = pieces_of_lines(kStepBytes);
  const StreamTuning tuning = stream_tuning;
  int64_t c = 0;
  if constexpr (HasBlocks<V, Format>) {
    for (; 16 * (c + 4) <= rows[0].cols; c += 4) {
      prefetch_stream(tuning, rows[0].weight + c * kStepBytes + (kRows - 1) * row_bytes,
                      4 * kStepBytes);
      constexpr int kPair = kRows < 2 ? kRows : 2;  // the registers do not suffice for four
#pragma GCC unroll 2
      for (int r0 = 0; r0 < kRows; r0 += kPair) {
        V weights[kPair][4];
        Format::template load_blocks<kPair>(rows + r0, c / 4, weights);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
#pragma GCC unroll 4
          for (int t = 0; t < kTokens; ++t) {
            const V input = V::load(x[t] + (c + i) * 16);
#pragma GCC unroll 2
            for (int r = 0; r < kPair; ++r) {
              sums[r0 + r][t] = V::fma(weights[r][i], input, sums[r0 + r][t]);
            }
          }
        }
      }
    }
  }
  const auto add_chunk = [&](auto whole) __attribute__((always_inline)) {
    if (c % kEvery == 0) {
      // In the order of the addresses, as the memory likes it: as far ahead as the last row needs.
      prefetch_stream(tuning, rows[0].weight + c * kStepBytes + (kRows - 1) * row_bytes,
                      kEvery * kStepBytes);
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const V weights = load_chunk<V, Format, whole>(rows[r], c);
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; ++t) {
        sums[r][t] = V::fma(weights, V::load(x[t] + c * 16), sums[r][t]);
      }
    }
  };
  // The last one apart: asked for each chunk, whether it is whole, g++ runs out of registers.
  for (; c + 1 < chunks; ++c) add_chunk(std::true_type());
  for (; c < chunks; ++c) add_chunk(std::false_type());
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; ++t) sums[r][t].store(out + (t * kFewRows + r) * 16);
  }
}

/// y[r] for r < count from the 16 partial sums at sums + r * stride.
template <class V>
void add_partial_sums(const float* sums, int64_t stride, int64_t count, float* y) {
  int64_t r = 0;
  for (; r + 16 <= count; r += 16) V::sums(sums + r * stride, stride).store(y + r);
  for (; r < count; ++r) y[r] = V::load(sums + r * stride).sum();
}

/// Decoded rows of one panel with up to kTileTokens tokens: what the tiles below share.
struct ExactPanel {
  const float* rows;  // [count, stride]
  int64_t count, stride;
  const float* const* x;
  int64_t tokens;
  float* const* y;  // y[t][row + r]
  int64_t row;
  float* sums;   // [count, kTileTokens, 16]: the partial sums of each output
  int64_t more;  // tokens that follow in x

  static constexpr int64_t kRowStride = kTileTokens * 16;
  float* sums_of(int64_t r, int64_t t) const { return sums + r * kRowStride + t * 16; }
};

/// Columns of a block, in chunks of 16.
struct Chunks {
  int64_t first, count;
};

/// Inputs of the next block of columns, or of the first one of the tokens to follow, asked for
/// while this block is multiplied: those of hundreds of tokens lie in the third-level cache.
/// Measured where a vector is several registers, and done only there.
struct Ahead {
  const float* const* x;
  int64_t tokens;
  Chunks share;  // those to ask for during one block of rows

  /// Inlined by force, as prefetch_stream is.
  [[gnu::always_inline]] void prefetch(int64_t first, int64_t end) const {
    for (int64_t t = first; t < end && t < tokens; ++t) {
      const float* from = x[t] + share.first * 16;
      for (int64_t c = 0; c < share.count; ++c) __builtin_prefetch(from + c * 16, 0, 2);
    }
  }
};

/// Adds the products of kRows rows from r on and kTokens tokens from t on, over a block of columns,
/// to their sums. A vector is worked on in parts of one register each.
template <class V, int kRows, int kTokens>
[[gnu::noinline]] void dot_tile(const ExactPanel& panel, int64_t r0, int64_t t0, Chunks block) {
  using Part = typename V::Part;
  const int64_t following = t0 + kTokens < panel.tokens ? t0 + kTokens : 0;
  const float* const next = panel.x[following] + block.first * 16;
  for (int p = 0; p < V::kParts; ++p) {
    const int lane = p * (16 / V::kParts);
    const int64_t offset = block.first * 16 + lane;
    const float* rows = panel.rows + r0 * panel.stride + offset;
    const int64_t stride = panel.stride;
    const float* x[kTokens];
    for (int t = 0; t < kTokens; ++t) x[t] = panel.x[t0 + t] + offset;
    float* const sums = panel.sums_of(r0, t0) + lane;
    constexpr int64_t kRowStride = ExactPanel::kRowStride;
    Part acc[kRows][kTokens];
    if (block.first == 0) {
      for (auto& row : acc) {
        for (Part& sum : row) sum = V::zero_part();
      }
    } else {
      for (int r = 0; r < kRows; ++r) {
        for (int t = 0; t < kTokens; ++t) acc[r][t] = V::load_part(sums + r * kRowStride + t * 16);
      }
    }
    for (int64_t c = 0; c < block.count * 16; c += 16) {
      Part inputs[kTokens];
      for (int t = 0; t < kTokens; ++t) inputs[t] = V::load_part(x[t] + c);
      // The first part brings the lines of the inputs from the second-level cache, about as fast as
      // it gives them. The second finds them in the first-level one: meanwhile those of one token
      // of the next tile come. Of two tokens it was slower (Zen 4).
      if (p == 1) __builtin_prefetch(next + c, 0, 3);
      for (int r = 0; r < kRows; ++r) {
        const Part weights = V::load_part(rows + r * stride + c);
        for (int t = 0; t < kTokens; ++t) {
          acc[r][t] = V::fma_part(weights, inputs[t], acc[r][t]);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int t = 0; t < kTokens; ++t) V::store_part(acc[r][t], sums + r * kRowStride + t * 16);
    }
  }
}

/// The same for 1 to kTokens tokens.
template <class V, int kRows, int kTokens = V::kTokenTile>
void dot_tile_of(int64_t tokens, const ExactPanel& panel, int64_t r, int64_t t, Chunks block) {
  if constexpr (kTokens > 1) {
    if (tokens < kTokens) return dot_tile_of<V, kRows, kTokens - 1>(tokens, panel, r, t, block);
  }
  dot_tile<V, kRows, kTokens>(panel, r, t, block);
}

/// The outputs of rows [begin, end) and tokens [t, t + tokens) from their sums.
template <class V>
void finish_tile(const ExactPanel& panel, int64_t begin, int64_t end, int64_t t, int64_t tokens) {
  for (const int64_t last = t + tokens; t < last; ++t) {
    add_partial_sums<V>(panel.sums_of(begin, t), ExactPanel::kRowStride, end - begin,
                        panel.y[t] + panel.row + begin);
  }
}

/// Products of rows [begin, end) of a panel over a block of columns. The inputs of one tile of
/// tokens stay in the first-level cache while the rows pass by. Afterwards the sums of rows
/// [finished, end) are complete.
template <class V>
void dot_block(const ExactPanel& panel, int64_t begin, int64_t end, Chunks block, int64_t finished,
               const Ahead& ahead) {
  for (int64_t t = 0, some; t < panel.tokens; t += some) {
    some = next_tile(panel.tokens - t, V::kTokenTile);
    if constexpr (!WeightBlock<V>::kWide) ahead.prefetch(t, t + some);
    int64_t r = begin;
    for (; r + kTileRows <= end; r += kTileRows) {
      dot_tile_of<V, kTileRows>(some, panel, r, t, block);
    }
    for (; r < end; ++r) dot_tile_of<V, 1>(some, panel, r, t, block);
    finish_tile<V>(panel, finished, end, t, some);
  }
}

/// Outputs of a panel.
template <class V>
void dot_panel(const ExactPanel& panel, int64_t chunks) {
  using Block = WeightBlock<V>;
  for (int64_t c = 0, some; c < chunks; c += some) {
    some = next_tile(chunks - c, Block::kChunks);
    const bool last = c + some == chunks;
    const int64_t next = last ? 0 : c + some, width = next_tile(chunks - next, Block::kChunks);
    int64_t finished = 0;
    for (int64_t r = 0; r < panel.count; r += Block::kRows) {
      const int64_t end = std::min(r + Block::kRows, panel.count);
      // 16 rows are added up at once, while their sums are in the cache.
      const bool finish = last && (end % 16 == 0 || end == panel.count);
      const int64_t from = width * r / panel.count, to = width * end / panel.count;
      const Ahead ahead{last ? panel.x + panel.tokens : panel.x,
                        last ? panel.more : panel.tokens,
                        {next + from, to - from}};
      dot_block<V>(panel, r, end, {c, some}, finish ? finished : end, ahead);
      if (finish) finished = end;
    }
  }
}

template <class V, class Format>
constexpr bool kHasMxfp8Blocks = std::is_same_v<Format, Mxfp8<V>> && HasBlocks<V, Mxfp8Blocks<V>>;

/// Partial sums of up to kFewRows rows, kRows of them side by side.
template <class V, class Format, int kRows, int kTokens>
void dot_rows(const MatrixView& m, const Row* rows, int64_t count, const float* const* x,
              float* sums) {
  const int64_t chunks = padded(m.cols) / 16, bytes = m.weight_row_bytes();
  int64_t r = 0;
  for (; r + kRows <= count; r += kRows) {
    dot_fused<V, Format, kRows, kTokens>(rows + r, x, chunks, bytes, sums + r * 16);
  }
  for (; r < count; ++r)
    dot_fused<V, Format, 1, kTokens>(rows + r, x, chunks, bytes, sums + r * 16);
}

/// Partial sums of `count` rows from `first` on. `sides`: 2 * padded(kFewRows * groups) floats.
template <class V, class Format, int kRows, int kTokens>
void few_rows(const MatrixView& m, int64_t first, int64_t count, const float* const* x, float* sums,
              float* sides) {
  const int64_t groups = m.groups();
  Row rows[kFewRows];
  for (int64_t i = 0; i < count; ++i) rows[i] = row_of<V>(m, first + i);
  if constexpr (kHasMxfp8Blocks<V, Format>) {
    auto* const words = reinterpret_cast<uint16_t*>(sides);
    if (Mxfp8Blocks<V>::decode_words(rows[0].scales, count * groups, words)) {
      for (int64_t i = 0; i < count; ++i) rows[i].scale_words = words + i * groups;
      return dot_rows<V, Mxfp8Blocks<V>, kRows, kTokens>(m, rows, count, x, sums);
    }
  }
  decode_sides<V, Format>(rows[0], count * groups, sides);
  for (int64_t i = 1; i < count; ++i) {
    rows[i].scale_values = rows[0].scale_values + i * groups;
    rows[i].bias_values = rows[0].bias_values + i * groups;
  }
  dot_rows<V, Format, kRows, kTokens>(m, rows, count, x, sums);
}

/// All rows, for the few tokens of decoding.
template <class V, class Format, int kRows, int kTokens>
void matmul_fused(const MatrixView& m, int64_t row_begin, int64_t row_end, const float* const* x,
                  float* const* y, float* scratch) {
  constexpr int64_t kTokenStride = kFewRows * 16;
  float *const sums = scratch, *const sides = sums + kTokens * kTokenStride;
  for (int64_t r = row_begin; r < row_end; r += kFewRows) {
    const int64_t count = row_end - r < kFewRows ? row_end - r : kFewRows;
    few_rows<V, Format, kRows, kTokens>(m, r, count, x, sums, sides);
    for (int t = 0; t < kTokens; ++t) {
      add_partial_sums<V>(sums + t * kTokenStride, 16, count, y[t] + r);
    }
  }
}

/// One token: as many rows at a time as StreamTuning says, but four only where a vector is one
/// register, else two, and at least two where weights have to be decoded. More tokens, where a
/// vector is one register and their inputs fill more than half of a first-level cache of 32 KiB:
/// these are read once for four rows, or for two where one row is the best stream. Else one row
/// after the other.
template <class V, class Format, int kTokens>
void matmul_few(const MatrixView& m, int64_t row_begin, int64_t row_end, const float* const* x,
                float* const* y, float* scratch) {
  const int rows = stream_tuning.rows_together;
  if constexpr (kTokens == 1) {
    if constexpr (V::kParts == 1) {
      if (rows == 4) return matmul_fused<V, Format, 4, 1>(m, row_begin, row_end, x, y, scratch);
    }
    if (m.format == MatrixFormat::kQuantised || rows > 1) {
      return matmul_fused<V, Format, 2, 1>(m, row_begin, row_end, x, y, scratch);
    }
  } else if constexpr (V::kParts == 1) {
    constexpr int64_t kCachedChunks = 256;
    if (kTokens * padded(m.cols) / 16 > kCachedChunks) {
      return rows == 1 ? matmul_fused<V, Format, 2, kTokens>(m, row_begin, row_end, x, y, scratch)
                       : matmul_fused<V, Format, 4, kTokens>(m, row_begin, row_end, x, y, scratch);
    }
  }
  matmul_fused<V, Format, 1, kTokens>(m, row_begin, row_end, x, y, scratch);
}

template <class V, class Format>
void matmul_format(const MatrixView& m, int64_t row_begin, int64_t row_end, const float* const* x,
                   int64_t tokens, float* const* y, float* scratch) {
  const int64_t chunks = padded(m.cols) / 16, groups = m.groups();
  const int64_t panel = panel_rows(chunks * 16), stride = stride_of(chunks * 16);
  float* sides = scratch + panel * stride;
  float* sums = sides + 4 * padded(groups);
  static_assert(kRowKernelTokens == 4);
  if (tokens == 1) return matmul_few<V, Format, 1>(m, row_begin, row_end, x, y, scratch);
  if (tokens == 2) return matmul_few<V, Format, 2>(m, row_begin, row_end, x, y, scratch);
  if (tokens == 3) return matmul_few<V, Format, 3>(m, row_begin, row_end, x, y, scratch);
  if (tokens == 4) return matmul_few<V, Format, 4>(m, row_begin, row_end, x, y, scratch);
  const StreamTuning tuning = stream_tuning;
  for (int64_t r = row_begin; r < row_end; r += panel) {
    const int64_t count = row_end - r < panel ? row_end - r : panel;
    for (int64_t i = 0; i < count; ++i) {
      Row row = row_of<V>(m, r + i);
      decode_sides<V, Format>(row, groups, sides);
      for (int64_t c = 0; c < chunks; ++c) {
        if ((c & 3) == 0) {
          prefetch_stream(tuning, row.weight + c * Format::kChunkBytes, 4 * Format::kChunkBytes);
        }
        Format::load(row, c).store(scratch + i * stride + c * 16);
      }
    }
    for (int64_t t = 0; t < tokens; t += kTileTokens) {
      const int64_t some = tokens - t < kTileTokens ? tokens - t : kTileTokens;
      dot_panel<V>({scratch, count, stride, x + t, some, y + t, r, sums, tokens - t - some},
                   chunks);
    }
  }
}

template <class V, class Format>
void decode_format(const MatrixView& m, int64_t row, float scale, float* out, float* sides) {
  Row source = row_of<V>(m, row);
  decode_sides<V, Format>(source, m.groups(), sides);
  const int64_t chunks = padded(m.cols) / 16;
  for (int64_t c = 0; c < chunks; ++c) {
    (Format::load(source, c) * V::broadcast(scale)).store(out + c * 16);
  }
}

template <class V>
struct MatmulBody {
  template <class Format, class... Args>
  void run(const MatrixView& m, Args... args) const {
    matmul_format<V, Format>(m, args...);
  }
};

template <class V>
struct DecodeBody {
  template <class Format, class... Args>
  void run(const MatrixView& m, Args... args) const {
    decode_format<V, Format>(m, args...);
  }
};

template <class V>
void matmul(const MatrixView& m, int64_t row_begin, int64_t row_end, const float* const* x,
            int64_t tokens, float* const* y, float* scratch) {
  with_format<V>(m, MatmulBody<V>{}, row_begin, row_end, x, tokens, y, scratch);
}

/// MXFP8 decoded faithfully: any scale, and NaN for the codes that mean it. The products above read
/// those as 480, and scales of 2^120 and more as infinity; only a broken file holds either.
template <class V>
struct FaithfulMxfp8 {
  static V load(const Row& row, int64_t c) {
    V values = V::load_e4m3_256th(row.weight + c * 16) * V::broadcast(256.0f);
    float lanes[16];
    values.store(lanes);
    for (int i = 0; i < 16; ++i) {
      if ((row.weight[c * 16 + i] & 0x7f) == 0x7f) lanes[i] = __builtin_nanf("");
    }
    const float scale = row.scales[c >> 1] == 255 ? __builtin_nanf("") : row.scale_values[c >> 1];
    return V::load(lanes) * V::broadcast(scale);
  }
  static V scales(const Row& row, int64_t first, int64_t count) {
    return read_sides<V>(row.scales, first, count, 1, V::load_e8m0);
  }
};

template <class V>
void decode_row(const MatrixView& m, int64_t row, float scale, float* out, float* scratch) {
  if (m.format == MatrixFormat::kQuantised && m.spec.mode == QuantMode::kMxfp8) {
    return decode_format<V, FaithfulMxfp8<V>>(m, row, scale, out, scratch);
  }
  with_format<V>(m, DecodeBody<V>{}, row, scale, out, scratch);
}

}  // namespace
}  // namespace octavo
