// kernels: rotary embedding, and the storing of keys and values.
// Part of body.h: see there.
#pragma once

#include <algorithm>
#include <cstring>

#include "kernels/attention.h"

namespace octavo {
namespace {

template <class V>
void rotate(float* x, const float* cos, const float* sin, int64_t half) {
  int64_t i = 0;
  for (; i + 16 <= half; i += 16) {
    const V a = V::load(x + i), b = V::load(x + half + i);
    const V c = V::load(cos + i), s = V::load(sin + i);
    (a * c - b * s).store(x + i);
    (b * c + a * s).store(x + half + i);
  }
  for (; i < half; ++i) {
    const float a = x[i], b = x[i + half];
    x[i] = a * cos[i] - b * sin[i];
    x[i + half] = b * cos[i] + a * sin[i];
  }
}

/// 16 elements of a key go to 16 rows of its panel, those of a value to one.
template <class Element>
void place(const Element* elements, const KvLayout& layout, bool key, int64_t slot, int64_t dim,
           std::byte* plane) {
  if (!key) {
    std::memcpy(plane + layout.value_index(slot, dim) * int64_t{sizeof(Element)}, elements,
                16 * sizeof(Element));
    return;
  }
  std::byte* out = plane + layout.key_index(slot, dim) * int64_t{sizeof(Element)};
  for (int64_t i = 0; i < 16; ++i) {
    std::memcpy(out + i * kKvPanel * int64_t{sizeof(Element)}, elements + i, sizeof(Element));
  }
}

template <class V>
float largest_magnitude(const float* x, int64_t n) {
  V top = V::zero();
  for (int64_t i = 0; i < n; i += 16) {
    const V value = V::load(x + i);
    top = V::max(V::max(value, V::zero() - value), top);
  }
  return top.maximum();
}

/// Whether n elements are all finite: anything else times zero is NaN.
template <class V>
bool all_finite(const float* x, int64_t n) {
  V zeros = V::zero();
  for (int64_t i = 0; i < n; i += 16) zeros = V::fma(V::load(x + i), V::zero(), zeros);
  return zeros.sum() == 0.0f;
}

/// Codes are multiples of the group's largest magnitude / 127. A group with an element that is not
/// finite becomes NaN.
template <class V>
void write_int8(const float* x, const KvLayout& layout, bool key, int64_t slot, std::byte* plane,
                float* scales) {
  for (int64_t begin = 0; begin < layout.head_dim; begin += KvLayout::kScaleGroup) {
    const int64_t n = std::min(KvLayout::kScaleGroup, layout.head_dim - begin);
    const bool finite = all_finite<V>(x + begin, n);
    const float top = finite ? largest_magnitude<V>(x + begin, n) : 0.0f;
    scales[begin / KvLayout::kScaleGroup * kKvBlock + slot] =
        finite ? top / 127.0f : __builtin_nanf("");
    // Below, 127 / top would overflow; such values are as good as zero.
    const V inverse = V::broadcast(top > 1e-30f ? 127.0f / top : 0.0f);
    for (int64_t i = begin; i < begin + n; i += 16) {
      float rounded[16] = {};
      if (finite) V::round(V::load(x + i) * inverse).store(rounded);
      int8_t codes[16];
      for (int j = 0; j < 16; ++j) codes[j] = static_cast<int8_t>(rounded[j]);
      place(codes, layout, key, slot, i, plane);
    }
  }
}

template <class V>
void write_floats(const float* x, const KvLayout& layout, bool key, int64_t slot,
                  std::byte* plane) {
  for (int64_t i = 0; i < layout.head_dim; i += 16) {
    if (layout.format == KvFormat::kF32) {
      place(x + i, layout, key, slot, i, plane);
    } else {
      uint16_t bits[16];
      V::load(x + i).store_bf16(reinterpret_cast<uint8_t*>(bits));
      place(bits, layout, key, slot, i, plane);
    }
  }
}

template <class V>
void write_kv(const KvLayout& layout, int64_t slot, const float* key, const float* value,
              std::byte* head) {
  std::byte* values = head + layout.plane_bytes();
  if (layout.format != KvFormat::kInt8) {
    write_floats<V>(key, layout, true, slot, head);
    write_floats<V>(value, layout, false, slot, values);
    return;
  }
  auto* scales = reinterpret_cast<float*>(values + layout.plane_bytes());
  write_int8<V>(key, layout, true, slot, head, scales);
  write_int8<V>(value, layout, false, slot, values, scales + layout.scale_groups() * kKvBlock);
}

}  // namespace
}  // namespace octavo
