// kernels: activations into integers. Part of body.h: see there.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/integer_row.h"

namespace octavo {
namespace {

/// The codes of one half of a block, put where this instruction set's decoder leaves weights.
template <class V>
void place_codes(const int16_t* codes, int half, int16_t* block) {
  for (int i = 0; i < 32; ++i) block[V::Ints::place(half * 32 + i)] = codes[i];
}

/// One group of 32 values at the given half of a block.
template <class V>
void quantise_group(const float* x, int half, int16_t* block, float* scale, float* sum) {
  const V a = V::load(x), b = V::load(x + 16), zero = V::zero();
  const float maximum = V::max(a.abs(), b.abs()).maximum();
  // 0 for finite values, else not a number: that must reach the output.
  const float poison = (a * zero).sum() + (b * zero).sum();
  // Smaller ones would overflow the inverse.
  const bool tiny = maximum < 1e-30f;
  const float step = tiny ? 0.0f : maximum / static_cast<float>(kIntegerMax);
  const float inverse = tiny ? 0.0f : static_cast<float>(kIntegerMax) / maximum;
  const V limit = V::broadcast(static_cast<float>(kIntegerMax));
  int16_t codes[32];
  V total = zero;
  for (int i = 0; i < 2; ++i) {
    const V scaled = V::round((i == 0 ? a : b) * V::broadcast(inverse));
    const V code = V::min(V::max(scaled, zero - limit), limit);  // a NaN becomes -limit
    code.store_int16(codes + 16 * i);
    total = total + code;
  }
  *scale = step + poison;
  *sum = total.sum() * *scale;
  place_codes<V>(codes, half, block);
}

template <class V>
void quantise_row(const float* x, int64_t n, const IntegerRow& out) {
  const int64_t blocks = integer_blocks(n);
  for (int64_t g = 0; g < blocks * 2; ++g) {
    float padded[32] = {};
    const int64_t left = n - g * 32;
    const float* values = x + g * 32;
    if (left < 32) {
      if (left > 0) std::memcpy(padded, values, static_cast<size_t>(left) * sizeof(float));
      values = padded;
    }
    quantise_group<V>(values, static_cast<int>(g % 2), out.codes + g / 2 * kIntegerBlock,
                      out.scales + g, out.sums + g);
  }
}

}  // namespace
}  // namespace octavo
