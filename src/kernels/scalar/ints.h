// kernels/scalar: 16 lanes of int32, or 32 of int16, in plain C++: the meaning
// of the operations.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

namespace octavo::scalar {

struct Ints {
  int32_t lane[16];

  static Ints zero() { return {}; }
  static Ints load(const void* p) {
    Ints v;
    std::memcpy(v.lane, p, sizeof v.lane);
    return v;
  }
  void store(void* p) const { std::memcpy(p, lane, sizeof lane); }
  static Ints bits(Vec x) { return load(x.lane); }
  Vec floats() const {
    Vec v;
    std::memcpy(v.lane, lane, sizeof lane);
    return v;
  }
  Vec to_float() const {
    Vec v;
    for (int i = 0; i < 16; ++i) v.lane[i] = static_cast<float>(lane[i]);
    return v;
  }
  static Ints broadcast_pair(const int16_t* p) {
    Ints v;
    for (int32_t& x : v.lane) std::memcpy(&x, p, 4);
    return v;
  }
  /// The products of both 16-bit halves of each lane, added.
  static Ints product(Ints a, Ints b) {
    int16_t x[32], y[32];
    a.store(x);
    b.store(y);
    Ints sums;
    for (int i = 0; i < 16; ++i) {
      sums.lane[i] = x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1];
    }
    return sums;
  }
  static Ints dot(Ints sum, Ints a, Ints b) {
    const Ints products = product(a, b);
    for (int i = 0; i < 16; ++i) sum.lane[i] += products.lane[i];
    return sum;
  }
  /// The same in a loop over many sums, where a compiler may need a hint to keep them in registers.
  static Ints dot_in_order(Ints sum, Ints a, Ints b) { return dot(sum, a, b); }

  /// In each run of four lanes: a0 + a2, b0 + b2, a1 + a3, b1 + b3.
  static Ints add_pairs32(Ints a, Ints b) {
    Ints v;
    for (int i = 0; i < 16; i += 4) {
      for (int j = 0; j < 2; ++j) {
        v.lane[i + 2 * j] = a.lane[i + j] + a.lane[i + j + 2];
        v.lane[i + 2 * j + 1] = b.lane[i + j] + b.lane[i + j + 2];
      }
    }
    return v;
  }
  /// In each run of four lanes: a0 + a2, a1 + a3, b0 + b2, b1 + b3.
  static Ints add_pairs64(Ints a, Ints b) {
    Ints v;
    for (int i = 0; i < 16; i += 4) {
      for (int j = 0; j < 2; ++j) {
        v.lane[i + j] = a.lane[i + j] + a.lane[i + j + 2];
        v.lane[i + j + 2] = b.lane[i + j] + b.lane[i + j + 2];
      }
    }
    return v;
  }
  /// Runs of four lanes: a0 + a1, a2 + a3, b0 + b1, b2 + b3.
  static Ints add_pairs128(Ints a, Ints b) {
    Ints v;
    for (int i = 0; i < 8; ++i) {
      const int from = i / 4 * 8 + i % 4;
      v.lane[i] = a.lane[from] + a.lane[from + 4];
      v.lane[i + 8] = b.lane[from] + b.lane[from + 4];
    }
    return v;
  }

  /// rows[i] lane j becomes rows[j] lane i.
  template <class T>
  static void transpose(T (&rows)[16]) {
    for (int i = 0; i < 16; ++i) {
      for (int j = 0; j < i; ++j) std::swap(rows[i].lane[j], rows[j].lane[i]);
    }
  }

  /// Where element i of a block lies in first and second: as unpacking bytes leaves them.
  static constexpr int place(int i) { return i / 8 % 2 * 32 + i / 16 * 8 + i % 8; }

  /// 64 codes of E4M3 as floor(32 * value), subnormal numbers as 0; 0x7F reads as 480.
  static void e4m3(const uint8_t* p, Ints& first, Ints& second) {
    split(first, second, [&](int i) {
      const int exponent = p[i] >> 3 & 15, mantissa = p[i] & 7;
      const int magnitude = exponent == 0 ? 0 : (8 + mantissa) << exponent;
      return ((p[i] & 0x80) != 0 ? -magnitude : magnitude) >> 5;
    });
  }

  /// 64 codes of E2M1 as twice their value.
  static void e2m1(const uint8_t* p, Ints& first, Ints& second) {
    static constexpr int8_t kTwice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    split(first, second, [&](int i) { return kTwice[p[i / 2] >> (i % 2 * 4) & 15]; });
  }

  /// 64 unsigned codes of kBits bits.
  template <int kBits>
  static void codes(const uint8_t* p, Ints& first, Ints& second) {
    split(first, second, [&](int i) {
      uint64_t run = 0;
      std::memcpy(&run, p + i / 8 * kBits, kBits);
      return static_cast<int>(run >> (i % 8 * kBits) & ((1u << kBits) - 1));
    });
  }

 private:
  template <class Element>
  static void split(Ints& first, Ints& second, const Element& element) {
    int16_t order[64];
    for (int i = 0; i < 64; ++i) {
      order[place(i)] = static_cast<int16_t>(element(i));
    }
    first = load(order);
    second = load(order + 32);
  }
};

}  // namespace octavo::scalar
