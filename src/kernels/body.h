// kernels: the inner loops, written once against a vector of 16 float lanes and compiled per
// instruction set. Included by <isa>/kernels.cc only. Everything is a template over that vector
// type, so that no function compiled for a wide instruction set can be linked into portable code.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"

namespace octavo {
namespace {

// --- one row of a matrix, 16 elements at a time -----------------------------------------------

struct Row {
  const uint8_t* weight;
  const uint8_t* scales;
  const uint8_t* biases;
  int64_t cols;
  int chunk_shift;  // log2(group size / 16)
  SideDtype side;
};

template <class V>
struct Scalars {
  static float bits(uint32_t value) {
    float result;
    std::memcpy(&result, &value, 4);
    return result;
  }
  /// 2^(byte - 127); 0xFF is NaN.
  static float e8m0(uint8_t byte) {
    if (byte == 0) return bits(0x00400000u);
    return bits(byte == 255 ? 0x7fc00000u : uint32_t{byte} << 23);
  }
  static float e4m3(uint8_t byte) {
    const uint32_t exponent = byte >> 3 & 15, mantissa = byte & 7;
    if ((byte & 0x7f) == 0x7f) return bits(0x7fc00000u);
    const float magnitude = exponent == 0 ? static_cast<float>(mantissa) * 0x1p-9f
                                          : bits((exponent + 120) << 23 | mantissa << 20);
    return (byte & 0x80) != 0 ? -magnitude : magnitude;
  }
  static float f16(uint16_t half) {
    const uint32_t exponent = half >> 10 & 31, mantissa = half & 1023;
    const float magnitude = exponent == 0    ? static_cast<float>(mantissa) * 0x1p-24f
                            : exponent == 31 ? bits(0x7f800000u | mantissa << 13)
                                             : bits((exponent + 112) << 23 | mantissa << 13);
    return (half & 0x8000) != 0 ? -magnitude : magnitude;
  }
  static float side(const uint8_t* p, int64_t index, SideDtype dtype) {
    if (dtype == SideDtype::kF32) {
      float value;
      std::memcpy(&value, p + 4 * index, 4);
      return value;
    }
    uint16_t half;
    std::memcpy(&half, p + 2 * index, 2);
    return dtype == SideDtype::kBF16 ? bits(uint32_t{half} << 16) : f16(half);
  }
};

/// Chunk `c` of a dense row whose elements take `kBytes`; the tail past `cols` reads as zero and is
/// never touched in memory.
template <class V, int kBytes, V (*kLoad)(const uint8_t*)>
struct Dense {
  static V load(const Row& row, int64_t c) {
    const int64_t left = row.cols - c * 16;
    if (left >= 16) [[likely]]
      return kLoad(row.weight + c * 16 * kBytes);
    uint8_t tail[16 * kBytes] = {};
    std::memcpy(tail, row.weight + c * 16 * kBytes, static_cast<size_t>(left * kBytes));
    return kLoad(tail);
  }
};

template <class V>
V load_f32_bytes(const uint8_t* p) {
  float values[16];
  std::memcpy(values, p, sizeof values);
  return V::load(values);
}

template <class V, int kBits>
struct Affine {
  static V load(const Row& row, int64_t c) {
    const int64_t group = c >> row.chunk_shift;
    const V scale = V::broadcast(Scalars<V>::side(row.scales, group, row.side));
    const V bias = V::broadcast(Scalars<V>::side(row.biases, group, row.side));
    return V::fma(V::template load_codes<kBits>(row.weight + c * 2 * kBits), scale, bias);
  }
};

template <class V>
struct Mxfp8 {
  static V load(const Row& row, int64_t c) {
    return V::load_e4m3(row.weight + c * 16) * V::broadcast(Scalars<V>::e8m0(row.scales[c >> 1]));
  }
};

template <class V>
struct Mxfp4 {
  static V load(const Row& row, int64_t c) {
    return V::load_e2m1(row.weight + c * 8) * V::broadcast(Scalars<V>::e8m0(row.scales[c >> 1]));
  }
};

template <class V>
struct Nvfp4 {
  static V load(const Row& row, int64_t c) {
    return V::load_e2m1(row.weight + c * 8) * V::broadcast(Scalars<V>::e4m3(row.scales[c]));
  }
};

template <class V>
Row row_of(const MatrixView& m, int64_t r) {
  const int64_t side = r * m.side_row_bytes();
  int shift = 0;
  while ((16 << shift) < m.spec.group_size) ++shift;
  return {m.weight + r * m.weight_row_bytes(),
          m.scales != nullptr ? m.scales + side : nullptr,
          m.biases != nullptr ? m.biases + side : nullptr,
          m.cols,
          shift,
          m.side};
}

// --- matrix products ----------------------------------------------------------------------------

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

/// Calls Body::run<Format>(arguments) for the format of m.
template <class V, class Body, class... Args>
void with_format(const MatrixView& m, const Body& body, Args... args) {
  switch (m.format) {
    case MatrixFormat::kF32:
      return body.template run<Dense<V, 4, load_f32_bytes<V>>>(m, args...);
    case MatrixFormat::kF16:
      return body.template run<Dense<V, 2, V::load_f16>>(m, args...);
    case MatrixFormat::kBF16:
      return body.template run<Dense<V, 2, V::load_bf16>>(m, args...);
    case MatrixFormat::kQuantised:
      break;
  }
  switch (m.spec.mode) {
    case QuantMode::kMxfp8:
      return body.template run<Mxfp8<V>>(m, args...);
    case QuantMode::kMxfp4:
      return body.template run<Mxfp4<V>>(m, args...);
    case QuantMode::kNvfp4:
      return body.template run<Nvfp4<V>>(m, args...);
    case QuantMode::kAffine:
      break;
  }
  switch (m.spec.bits) {
    case 2:
      return body.template run<Affine<V, 2>>(m, args...);
    case 3:
      return body.template run<Affine<V, 3>>(m, args...);
    case 4:
      return body.template run<Affine<V, 4>>(m, args...);
    case 5:
      return body.template run<Affine<V, 5>>(m, args...);
    case 6:
      return body.template run<Affine<V, 6>>(m, args...);
    default:
      return body.template run<Affine<V, 8>>(m, args...);
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

// --- elementwise --------------------------------------------------------------------------------

/// Calls f(vectors of in, index) over n elements; the tail works on zero-padded copies.
template <class V, class F>
void transform(const float* a, const float* b, int64_t n, float* out, const F& f) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) f(V::load(a + i), V::load(b + i)).store(out + i);
  if (i == n) return;
  float left[16] = {}, right[16] = {}, result[16];
  const auto bytes = static_cast<size_t>(n - i) * sizeof(float);
  std::memcpy(left, a + i, bytes);
  std::memcpy(right, b + i, bytes);
  f(V::load(left), V::load(right)).store(result);
  std::memcpy(out + i, result, bytes);
}

/// e^x: 2^round(x / ln 2) times the Taylor polynomial of degree 7 on [-ln2/2, ln2/2] (truncation
/// 5e-9). Arguments are clamped to the range of normal results; NaN passes through.
template <class V>
V exp(V x) {
  x = V::min(V::broadcast(88.0f), V::max(V::broadcast(-87.0f), x));
  const V n = V::round(x * V::broadcast(1.44269504f));
  // ln 2 in two parts, so that n * part is exact for the first.
  V r = V::fma(n, V::broadcast(-0.693359375f), x);
  r = V::fma(n, V::broadcast(2.12194440e-4f), r);
  V p = V::broadcast(1.0f / 5040);
  for (const float c : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) {
    p = V::fma(p, r, V::broadcast(c));
  }
  return p * V::pow2(n);
}

template <class V>
V tanh(V x) {
  const V one = V::broadcast(1.0f), e = exp(x + x);
  return (e - one) / (e + one);
}

template <class V>
void rms_norm(const float* x, const float* weight, float eps, float scale, int64_t n, float* out) {
  V squares = V::zero();
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const V value = V::load(x + i);
    squares = V::fma(value, value, squares);
  }
  float tail[16] = {};
  if (i < n) {
    std::memcpy(tail, x + i, static_cast<size_t>(n - i) * sizeof(float));
    const V value = V::load(tail);
    squares = V::fma(value, value, squares);
  }
  const float factor = scale / __builtin_sqrtf(squares.sum() / static_cast<float>(n) + eps);
  const V all = V::broadcast(factor);
  if (weight == nullptr) {
    transform<V>(x, x, n, out, [&](V a, V) { return a * all; });
  } else {
    transform<V>(x, weight, n, out, [&](V a, V w) { return a * all * w; });
  }
}

template <class V>
void gelu_multiply(const float* gate, const float* up, int64_t n, float* out) {
  const V cubic = V::broadcast(0.044715f), outer = V::broadcast(0.797884561f);  // sqrt(2 / pi)
  const V half = V::broadcast(0.5f), one = V::broadcast(1.0f);
  transform<V>(gate, up, n, out, [&](V g, V u) {
    const V inner = outer * V::fma(cubic * g * g, g, g);
    return half * g * (one + tanh(inner)) * u;
  });
}

template <class V>
void softcap(float* x, float cap, int64_t n) {
  const V limit = V::broadcast(cap), inverse = V::broadcast(1.0f / cap);
  transform<V>(x, x, n, x, [&](V a, V) { return limit * tanh(a * inverse); });
}

template <class V>
void accumulate(const float* x, float weight, int64_t n, float* out) {
  const V factor = V::broadcast(weight);
  transform<V>(x, out, n, out, [&](V a, V sum) { return V::fma(a, factor, sum); });
}

// --- attention ----------------------------------------------------------------------------------

template <class V, bool kBF16>
V load_kv(const std::byte* p) {
  if constexpr (kBF16) {
    return V::load_bf16(reinterpret_cast<const uint8_t*>(p));
  } else {
    return load_f32_bytes<V>(reinterpret_cast<const uint8_t*>(p));
  }
}

template <class V, bool kBF16>
const std::byte* kv_row(const KvView& view, int64_t position, int64_t head_dim) {
  return view.blocks[position / view.block_tokens] + view.offset +
         position % view.block_tokens * head_dim * (kBF16 ? 2 : 4);
}

/// scores[g][p - begin] for kHeads query heads from `head` on.
template <class V, bool kBF16, int kHeads>
void score_heads(const AttentionArgs& a, int64_t head) {
  constexpr int kSize = kBF16 ? 2 : 4;
  for (int64_t p = a.begin; p < a.end; ++p) {
    const std::byte* key = kv_row<V, kBF16>(a.keys, p, a.head_dim);
    V sums[kHeads];
    for (int h = 0; h < kHeads; ++h) sums[h] = V::zero();
    for (int64_t d = 0; d < a.head_dim; d += 16) {
      const V k = load_kv<V, kBF16>(key + d * kSize);
      for (int h = 0; h < kHeads; ++h) {
        sums[h] = V::fma(V::load(a.query + (head + h) * a.head_dim + d), k, sums[h]);
      }
    }
    for (int h = 0; h < kHeads; ++h) {
      a.scores[(head + h) * a.score_stride + p - a.begin] = sums[h].sum();
    }
  }
}

/// Turns the scores of one head into probabilities.
template <class V>
void softmax(float* scores, int64_t n) {
  float maximum = scores[0];
  for (int64_t i = 1; i < n; ++i) maximum = maximum < scores[i] ? scores[i] : maximum;
  const V shift = V::broadcast(maximum);
  V sums = V::zero();
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const V e = exp(V::load(scores + i) - shift);
    e.store(scores + i);
    sums = sums + e;
  }
  if (i < n) {
    float tail[16] = {};
    const auto bytes = static_cast<size_t>(n - i) * sizeof(float);
    std::memcpy(tail, scores + i, bytes);
    exp(V::load(tail) - shift).store(tail);
    for (int64_t j = n - i; j < 16; ++j) tail[j] = 0.0f;
    sums = sums + V::load(tail);
    std::memcpy(scores + i, tail, bytes);
  }
  const V inverse = V::broadcast(1.0f / sums.sum());
  transform<V>(scores, scores, n, scores, [&](V s, V) { return s * inverse; });
}

/// out[head..][16 * chunk..] for kHeads heads and kChunks chunks of the head dimension.
template <class V, bool kBF16, int kHeads, int kChunks>
void mix_values(const AttentionArgs& a, int64_t head, int64_t chunk) {
  constexpr int kSize = kBF16 ? 2 : 4;
  V sums[kHeads][kChunks];
  for (int h = 0; h < kHeads; ++h) {
    for (int c = 0; c < kChunks; ++c) sums[h][c] = V::zero();
  }
  const float* weights = a.scores + head * a.score_stride;
  for (int64_t p = a.begin; p < a.end; ++p) {
    const std::byte* value = kv_row<V, kBF16>(a.values, p, a.head_dim) + chunk * 16 * kSize;
    V w[kHeads];
    for (int h = 0; h < kHeads; ++h) w[h] = V::broadcast(weights[h * a.score_stride + p - a.begin]);
    for (int c = 0; c < kChunks; ++c) {
      const V v = load_kv<V, kBF16>(value + c * 16 * kSize);
      for (int h = 0; h < kHeads; ++h) sums[h][c] = V::fma(w[h], v, sums[h][c]);
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    for (int c = 0; c < kChunks; ++c) {
      sums[h][c].store(a.out + (head + h) * a.head_dim + (chunk + c) * 16);
    }
  }
}

template <class V, bool kBF16, int kHeads>
void attend_heads(const AttentionArgs& a, int64_t head) {
  constexpr int kChunks = 4;
  score_heads<V, kBF16, kHeads>(a, head);
  for (int h = 0; h < kHeads; ++h) {
    softmax<V>(a.scores + (head + h) * a.score_stride, a.end - a.begin);
  }
  const int64_t chunks = a.head_dim / 16;
  int64_t c = 0;
  for (; c + kChunks <= chunks; c += kChunks) mix_values<V, kBF16, kHeads, kChunks>(a, head, c);
  for (; c < chunks; ++c) mix_values<V, kBF16, kHeads, 1>(a, head, c);
}

template <class V, bool kBF16>
void attention_kv(const AttentionArgs& a) {
  constexpr int kHeads = V::kTokenTile;
  int64_t head = 0;
  for (; head + kHeads <= a.group; head += kHeads) attend_heads<V, kBF16, kHeads>(a, head);
  for (; head < a.group; ++head) attend_heads<V, kBF16, 1>(a, head);
}

template <class V>
void attention(const AttentionArgs& a) {
  a.keys.bf16 ? attention_kv<V, true>(a) : attention_kv<V, false>(a);
}

template <class V>
constexpr Kernels make_kernels(std::string_view name) {
  return {name,       matmul<V>,     decode_row<V>, rms_norm<V>, gelu_multiply<V>,
          softcap<V>, accumulate<V>, attention<V>};
}

}  // namespace
}  // namespace octavo
