// kernels/neon: 16 lanes of int32, or 32 of int16, in four registers.
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>
#include <utility>

namespace octavo::neon {
namespace {

struct Ints {
  int32x4_t part[4];

  static Ints zero() { return all(vdupq_n_s32(0)); }
  static Ints load(const void* p) {
    const auto* bytes = static_cast<const uint8_t*>(p);
    return {
        {load_part(bytes), load_part(bytes + 16), load_part(bytes + 32), load_part(bytes + 48)}};
  }
  void store(void* p) const {
    auto* bytes = static_cast<uint8_t*>(p);
    vst1q_u8(bytes, vreinterpretq_u8_s32(part[0]));
    vst1q_u8(bytes + 16, vreinterpretq_u8_s32(part[1]));
    vst1q_u8(bytes + 32, vreinterpretq_u8_s32(part[2]));
    vst1q_u8(bytes + 48, vreinterpretq_u8_s32(part[3]));
  }
  static Ints bits(Vec x) {
    return {{vreinterpretq_s32_f32(x.part[0]), vreinterpretq_s32_f32(x.part[1]),
             vreinterpretq_s32_f32(x.part[2]), vreinterpretq_s32_f32(x.part[3])}};
  }
  Vec floats() const {
    return {{vreinterpretq_f32_s32(part[0]), vreinterpretq_f32_s32(part[1]),
             vreinterpretq_f32_s32(part[2]), vreinterpretq_f32_s32(part[3])}};
  }
  Vec to_float() const {
    return {{vcvtq_f32_s32(part[0]), vcvtq_f32_s32(part[1]), vcvtq_f32_s32(part[2]),
             vcvtq_f32_s32(part[3])}};
  }
  static Ints broadcast_pair(const int16_t* p) {
    int32_t pair;
    std::memcpy(&pair, p, 4);
    return all(vdupq_n_s32(pair));
  }
  static Ints product(Ints a, Ints b) { return dot(zero(), a, b); }
  static Ints dot(Ints sum, Ints a, Ints b) {
    dot(sum.part[0], sum.part[1], a.part[0], a.part[1], b.part[0], b.part[1]);
    dot(sum.part[2], sum.part[3], a.part[2], a.part[3], b.part[2], b.part[3]);
    return sum;
  }
  /// The same in a loop over many sums: the compiler would part the inputs of the whole loop first,
  /// in memory.
  static Ints dot_in_order(Ints sum, Ints a, Ints b) {
    sum = dot(sum, a, b);
    asm("" : "+w"(sum.part[0]), "+w"(sum.part[1]), "+w"(sum.part[2]), "+w"(sum.part[3]));
    return sum;
  }

  static Ints add_pairs32(Ints a, Ints b) {
    const auto add = [](int32x4_t x, int32x4_t y) {
      return vaddq_s32(vzip1q_s32(x, y), vzip2q_s32(x, y));
    };
    return {{add(a.part[0], b.part[0]), add(a.part[1], b.part[1]), add(a.part[2], b.part[2]),
             add(a.part[3], b.part[3])}};
  }
  static Ints add_pairs64(Ints a, Ints b) {
    const auto add = [](int32x4_t x, int32x4_t y) { return vaddq_s32(lows(x, y), highs(x, y)); };
    return {{add(a.part[0], b.part[0]), add(a.part[1], b.part[1]), add(a.part[2], b.part[2]),
             add(a.part[3], b.part[3])}};
  }
  static Ints add_pairs128(Ints a, Ints b) {
    return {{vaddq_s32(a.part[0], a.part[1]), vaddq_s32(a.part[2], a.part[3]),
             vaddq_s32(b.part[0], b.part[1]), vaddq_s32(b.part[2], b.part[3])}};
  }

  /// rows[i] lane j becomes rows[j] lane i.
  [[gnu::always_inline]] static void transpose(Ints (&rows)[16]) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j <= i; ++j) {
        int32x4_t lower[4], upper[4];
        for (int k = 0; k < 4; ++k) {
          lower[k] = rows[4 * i + k].part[j];
          upper[k] = rows[4 * j + k].part[i];
        }
        transpose4(lower);
        if (i != j) transpose4(upper);
        for (int k = 0; k < 4; ++k) {
          rows[4 * j + k].part[i] = lower[k];
          if (i != j) rows[4 * i + k].part[j] = upper[k];
        }
      }
    }
  }

  /// Where element i of a block lies in first and second: as unpacking bytes leaves them.
  static constexpr int place(int i) { return i / 8 % 2 * 32 + i / 16 * 8 + i % 8; }

  /// 64 codes of E4M3 as floor(32 * value), subnormal numbers as 0; 0x7F reads as 480.
  static void e4m3(const uint8_t* p, Ints& first, Ints& second) {
    for (int i = 0; i < 4; ++i) {
      const uint8x16_t bytes = vld1q_u8(p + 16 * i);
      first.part[i] = e4m3(vget_low_u8(bytes));
      second.part[i] = e4m3(vget_high_u8(bytes));
    }
  }

  /// 64 codes of E2M1 as twice their value.
  static void e2m1(const uint8_t* p, Ints& first, Ints& second) {
    for (int i = 0; i < 4; ++i) {
      const int8x16_t twice = twice_e2m1(nibbles(vld1_u8(p + 8 * i)));
      first.part[i] = vreinterpretq_s32_s16(vmovl_s8(vget_low_s8(twice)));
      second.part[i] = vreinterpretq_s32_s16(vmovl_high_s8(twice));
    }
  }

  /// 64 unsigned codes of kBits bits; reads up to 8 bytes past them unless kBits is 4 or 8.
  template <int kBits>
  static void codes(const uint8_t* p, Ints& first, Ints& second) {
    for (int i = 0; i < 4; ++i) {
      if constexpr (kBits == 8 || kBits == 4) {
        const uint8x16_t bytes = kBits == 8 ? vld1q_u8(p + 16 * i) : nibbles(vld1_u8(p + 8 * i));
        first.part[i] = vreinterpretq_s32_u16(vmovl_u8(vget_low_u8(bytes)));
        second.part[i] = vreinterpretq_s32_u16(vmovl_high_u8(bytes));
      } else {
        const uint8_t* runs = p + 2 * kBits * i;
        first.part[i] = vreinterpretq_s32_u16(spread<kBits>(vld1_u8(runs)));
        second.part[i] = vreinterpretq_s32_u16(spread<kBits>(vld1_u8(runs + kBits)));
      }
    }
  }

 private:
  static Ints all(int32x4_t x) { return {{x, x, x, x}}; }
  static int32x4_t load_part(const uint8_t* p) { return vreinterpretq_s32_u8(vld1q_u8(p)); }

  static int32x4_t lows(int32x4_t a, int32x4_t b) {
    return vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
  }
  static int32x4_t highs(int32x4_t a, int32x4_t b) {
    return vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
  }

  static void transpose4(int32x4_t (&r)[4]) {
    const int32x4_t a = vtrn1q_s32(r[0], r[1]), b = vtrn2q_s32(r[0], r[1]);
    const int32x4_t c = vtrn1q_s32(r[2], r[3]), d = vtrn2q_s32(r[2], r[3]);
    r[0] = lows(a, c);
    r[1] = lows(b, d);
    r[2] = highs(a, c);
    r[3] = highs(b, d);
  }

  /// Even and odd elements of two registers apart, so that products need no further adding: the
  /// parting of weights is shared by all tokens, that of a broadcast pair by all lanes.
  static void dot(int32x4_t& s, int32x4_t& t, int32x4_t a, int32x4_t c, int32x4_t b, int32x4_t d) {
    const int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(c);
    const int16x8_t u = vreinterpretq_s16_s32(b), v = vreinterpretq_s16_s32(d);
    const int16x8_t even = vuzp1q_s16(x, y), odd = vuzp2q_s16(x, y);
    const int16x8_t other_even = vuzp1q_s16(u, v), other_odd = vuzp2q_s16(u, v);
    s = vmlal_s16(s, vget_low_s16(even), vget_low_s16(other_even));
    t = vmlal_high_s16(t, even, other_even);
    s = vmlal_s16(s, vget_low_s16(odd), vget_low_s16(other_odd));
    t = vmlal_high_s16(t, odd, other_odd);
  }

  /// 32 * value is a number of FP16 for every code.
  static int32x4_t e4m3(uint8x8_t bytes) {
    const uint8x8_t normal = vand_u8(bytes, vtst_u8(bytes, vdup_n_u8(0x78)));
    return vreinterpretq_s32_s16(vcvtmq_s16_f16(vmulq_n_f16(half_e4m3(normal), 8192)));
  }
};

}  // namespace
}  // namespace octavo::neon
