// kernels: norms and other elementwise functions.
// Part of body.h: see there.
#pragma once

#include <cstdint>
#include <cstring>

namespace octavo {
namespace {

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

}  // namespace
}  // namespace octavo
