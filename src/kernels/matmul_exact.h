// kernels: matrix products in f32.
// Part of body.h: see there.
#pragma once

#include "kernels/formats.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

template <class V, class Format, int kRows>
void dot_fused(const Row* rows, const float* x, int64_t chunks, float* out) {
  V sums[kRows];
  for (int r = 0; r < kRows; ++r) sums[r] = V::zero();
  for (int64_t c = 0; c < chunks; ++c) {
    const V input = V::load(x + c * 16);
    for (int r = 0; r < kRows; ++r) sums[r] = V::fma(Format::load(rows[r], c), input, sums[r]);
  }
  for (int r = 0; r < kRows; ++r) out[r] = sums[r].sum();
}

/// The same sums from rows that were decoded to f32 before: kRows x kTokens at a time.
template <class V, int kRows, int kTokens>
void dot_tile(const float* decoded, const float* const* x, int64_t chunks, float* const* y,
              int64_t row) {
  V sums[kRows][kTokens];
  for (int r = 0; r < kRows; ++r) {
    for (int t = 0; t < kTokens; ++t) sums[r][t] = V::zero();
  }
  for (int64_t c = 0; c < chunks; ++c) {
    V inputs[kTokens];
    for (int t = 0; t < kTokens; ++t) inputs[t] = V::load(x[t] + c * 16);
    for (int r = 0; r < kRows; ++r) {
      const V weights = V::load(decoded + (r * chunks + c) * 16);
      for (int t = 0; t < kTokens; ++t) sums[r][t] = V::fma(weights, inputs[t], sums[r][t]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int t = 0; t < kTokens; ++t) y[t][row + r] = sums[r][t].sum();
  }
}

template <class V, int kRows>
void dot_tokens(const float* decoded, const float* const* x, int64_t tokens, int64_t chunks,
                float* const* y, int64_t row) {
  constexpr int kTile = V::kTokenTile;
  int64_t t = 0;
  for (; t + kTile <= tokens; t += kTile) {
    dot_tile<V, kRows, kTile>(decoded, x + t, chunks, y + t, row);
  }
  for (; t < tokens; ++t) dot_tile<V, kRows, 1>(decoded, x + t, chunks, y + t, row);
}

template <class V, class Format>
void matmul_format(const MatrixView& m, int64_t row_begin, int64_t row_end, const float* const* x,
                   int64_t tokens, float* const* y, float* scratch) {
  const int64_t chunks = padded(m.cols) / 16;
  for (int64_t r = row_begin; r < row_end; r += kTileRows) {
    const int64_t count = row_end - r < kTileRows ? row_end - r : kTileRows;
    Row rows[kTileRows];
    for (int64_t i = 0; i < count; ++i) rows[i] = row_of<V>(m, r + i);
    if (tokens == 1) {
      if (count == kTileRows) {
        dot_fused<V, Format, kTileRows>(rows, x[0], chunks, y[0] + r);
      } else {
        for (int64_t i = 0; i < count; ++i) {
          dot_fused<V, Format, 1>(rows + i, x[0], chunks, y[0] + r + i);
        }
      }
      continue;
    }
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t c = 0; c < chunks; ++c) {
        Format::load(rows[i], c).store(scratch + (i * chunks + c) * 16);
      }
    }
    if (count == kTileRows) {
      dot_tokens<V, kTileRows>(scratch, x, tokens, chunks, y, r);
    } else {
      for (int64_t i = 0; i < count; ++i) {
        dot_tokens<V, 1>(scratch + i * chunks * 16, x, tokens, chunks, y, r + i);
      }
    }
  }
}
template <class V, class Format>
void decode_format(const MatrixView& m, int64_t row, float scale, float* out) {
  const Row source = row_of<V>(m, row);
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

template <class V>
void decode_row(const MatrixView& m, int64_t row, float scale, float* out) {
  with_format<V>(m, DecodeBody<V>{}, row, scale, out);
}

}  // namespace
}  // namespace octavo
