// kernels: products with panels of keys or values.
// Part of body.h: see there.
#pragma once

#include "kernels/attention.h"

namespace octavo {
namespace {

// Panels: `load(n, r)` is row r of panel n as 16 floats, `at(n, r)` where it is stored.

template <class V, int kElementBytes>
struct FloatPanels {
  const std::byte* base;
  int64_t stride;  // bytes from a panel to the next

  const uint8_t* at(int64_t n, int64_t r) const {
    return reinterpret_cast<const uint8_t*>(base + n * stride + r * kKvPanel * kElementBytes);
  }
  V load(int64_t n, int64_t r) const {
    if constexpr (kElementBytes == 2) {
      return V::load_bf16(at(n, r));
    } else {
      return V::load(reinterpret_cast<const float*>(at(n, r)));
    }
  }
  FloatPanels from(int64_t n) const { return {base + n * stride, stride}; }
};

template <class V>
struct Int8Keys {
  const std::byte* base;
  int64_t stride;
  const float* scales;  // [groups of dimensions][positions]

  const uint8_t* at(int64_t n, int64_t r) const {
    return reinterpret_cast<const uint8_t*>(base + n * stride + r * kKvPanel);
  }
  V load(int64_t n, int64_t r) const {
    const float* scale = scales + r / KvLayout::kScaleGroup * kKvBlock + n * kKvPanel;
    return V::load_i8(at(n, r)) * V::load(scale);
  }
  Int8Keys from(int64_t n) const { return {base + n * stride, stride, scales + n * kKvPanel}; }
};

template <class V>
struct Int8Values {
  const std::byte* base;
  int64_t stride;
  const float* scales;  // [groups of dimensions][positions]
  int64_t first = 0;    // number of panel 0 within the head

  const uint8_t* at(int64_t n, int64_t r) const {
    return reinterpret_cast<const uint8_t*>(base + n * stride + r * kKvPanel);
  }
  V load(int64_t n, int64_t r) const {
    constexpr int64_t kPanels = KvLayout::kScaleGroup / kKvPanel;
    const float scale = scales[(first + n) / kPanels * kKvBlock + r];
    return V::load_i8(at(n, r)) * V::broadcast(scale);
  }
  Int8Values from(int64_t n) const { return {base + n * stride, stride, scales, first + n}; }
};

/// c[m][16 n ..] (+)= sum over r in [begin, end), ascending, of a[m][r] * row r of panel n. Rows
/// `ahead` bytes further on are prefetched.
template <class V, class Panels, int kRows, int kPanels>
void multiply_tile(const float* a, int64_t a_stride, const Panels& b, int64_t begin, int64_t end,
                   int64_t ahead, float* c, int64_t c_stride, bool add) {
  // One loop over the whole tile: nested ones keep the sums out of registers.
  constexpr int kTile = kRows * kPanels;
  const auto place = [&](int i) { return c + i / kPanels * c_stride + i % kPanels * kKvPanel; };
  V sums[kTile];
#pragma GCC unroll 16
  for (int i = 0; i < kTile; ++i) sums[i] = V::zero();
  for (int64_t r = begin; r < end; ++r) {
    V x[kPanels];
#pragma GCC unroll 16
    for (int n = 0; n < kPanels; ++n) x[n] = b.load(n, r);
#pragma GCC unroll 16
    for (int n = 0; n < kPanels; ++n) __builtin_prefetch(b.at(n, r) + ahead, 0, 2);
#pragma GCC unroll 16
    for (int i = 0; i < kTile; ++i) {
      const V factor = V::broadcast(a[i / kPanels * a_stride + r]);
      sums[i] = V::fma(factor, x[i % kPanels], sums[i]);
    }
  }
  if (add) {
#pragma GCC unroll 16
    for (int i = 0; i < kTile; ++i) (V::load(place(i)) + sums[i]).store(place(i));
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < kTile; ++i) sums[i].store(place(i));
  }
}

/// What multiply_panels computes: see multiply_tile.
struct PanelProduct {
  const float* a;
  int64_t a_stride;
  int64_t rows;
  int64_t panels;
  int64_t begin, end;
  int64_t ahead;
  float* c;
  int64_t c_stride;
  bool add;
};

/// Rows from `row` on, kRows at a time, then the rest by half as many.
template <class V, class Panels, int kRows>
void multiply_rows(const PanelProduct& p, const Panels& b, int64_t row) {
  constexpr int kPanels = V::kSums / kRows < 4 ? V::kSums / kRows : 4;
  for (; row + kRows <= p.rows; row += kRows) {
    const float* a = p.a + row * p.a_stride;
    float* c = p.c + row * p.c_stride;
    int64_t n = 0;
    for (; n + kPanels <= p.panels; n += kPanels) {
      multiply_tile<V, Panels, kRows, kPanels>(a, p.a_stride, b.from(n), p.begin, p.end, p.ahead,
                                               c + n * kKvPanel, p.c_stride, p.add);
    }
    for (; n < p.panels; ++n) {
      multiply_tile<V, Panels, kRows, 1>(a, p.a_stride, b.from(n), p.begin, p.end, p.ahead,
                                         c + n * kKvPanel, p.c_stride, p.add);
    }
  }
  if constexpr (kRows > 1) {
    if (row < p.rows) multiply_rows<V, Panels, kRows / 2>(p, b, row);
  }
}

template <class V, class Panels>
void multiply_panels(const PanelProduct& p, const Panels& b) {
  multiply_rows<V, Panels, V::kSums >= 16 ? 8 : 4>(p, b, 0);
}

}  // namespace
}  // namespace octavo
