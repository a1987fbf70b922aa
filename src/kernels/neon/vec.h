// kernels/neon: 16 float lanes in four registers (ARMv8.2 with FP16).
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

namespace octavo::neon {
namespace {

struct Ints;

/// Eight codes from the eight bytes of `run`, whose first kBits hold them: the two bytes that hold
/// a code go to its element, a shift moves the code to the element's bottom, a mask clears the
/// rest.
template <int kBits>
uint16x8_t spread(uint8x8_t run) {
  struct Places {
    uint8_t index[16] = {};
    int16_t shift[8] = {};
    constexpr Places() {
      for (int i = 0; i < 8; ++i) {
        index[2 * i] = static_cast<uint8_t>(i * kBits / 8);
        index[2 * i + 1] = static_cast<uint8_t>(i * kBits / 8 + 1);  // past the run: masked out
        shift[i] = static_cast<int16_t>(-(i * kBits % 8));
      }
    }
  };
  static constexpr Places kPlaces;
  const uint8x16_t bytes = vcombine_u8(run, vdup_n_u8(0));
  const uint8x16_t words = vqtbl1q_u8(bytes, vld1q_u8(kPlaces.index));
  const uint16x8_t low = vshlq_u16(vreinterpretq_u16_u8(words), vld1q_s16(kPlaces.shift));
  return vandq_u16(low, vdupq_n_u16((1 << kBits) - 1));
}

/// 16 nibbles in order, one per byte.
inline uint8x16_t nibbles(uint8x8_t bytes) {
  const uint8x8_t low = vand_u8(bytes, vdup_n_u8(15)), high = vshr_n_u8(bytes, 4);
  return vcombine_u8(vzip1_u8(low, high), vzip2_u8(low, high));
}

/// E2M1 codes, one per byte, as twice their value.
inline int8x16_t twice_e2m1(uint8x16_t codes) {
  static constexpr int8_t kTwice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  return vqtbl1q_s8(vld1q_s8(kTwice), codes);
}

/// E4M3 shifted into FP16, which is 1/256 of its value.
inline float16x8_t half_e4m3(uint8x8_t bytes) {
  const int16x8_t shifted = vshll_n_s8(vreinterpret_s8_u8(bytes), 7);
  // The widening left a copy of the sign in the exponent's top bit.
  return vreinterpretq_f16_s16(vandq_s16(shifted, vdupq_n_s16(-0x4080)));
}

struct Vec {
  using Ints = neon::Ints;
  // Tile of the f32 panels: 4 x 6 sums, 6 inputs and a weight of the 32 registers.
  static constexpr int kTokenTile = 6;
  static constexpr int kParts = 4;
  using Part = float32x4_t;
  static Part zero_part() { return vdupq_n_f32(0.0f); }
  static Part load_part(const float* p) { return vld1q_f32(p); }
  static void store_part(Part a, float* p) { vst1q_f32(p, a); }
  static Part fma_part(Part a, Part b, Part c) { return vfmaq_f32(c, a, b); }
  // Tile of the integer panels: 24 registers of sums, 4 of weights, 2 of inputs.
  static constexpr int kPanelTokens = 6, kPanelVectors = 1;
  // Sums that the tiles of attention hold in registers, beside the operands.
  static constexpr int kSums = 4;
  float32x4_t part[4];

  static Vec zero() { return broadcast(0.0f); }
  static Vec broadcast(float value) {
    const float32x4_t all = vdupq_n_f32(value);
    return {{all, all, all, all}};
  }
  static Vec load(const float* p) {
    return {{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
  }
  void store(float* p) const {
    vst1q_f32(p, part[0]);
    vst1q_f32(p + 4, part[1]);
    vst1q_f32(p + 8, part[2]);
    vst1q_f32(p + 12, part[3]);
  }
  /// Nearest even; NaN stays NaN.
  void store_bf16(uint8_t* p) const {
    vst1q_u8(p, vreinterpretq_u8_u16(vcombine_u16(bf16_bits(part[0]), bf16_bits(part[1]))));
    vst1q_u8(p + 16, vreinterpretq_u8_u16(vcombine_u16(bf16_bits(part[2]), bf16_bits(part[3]))));
  }

  static Vec load_bf16(const uint8_t* p) {
    const uint16x8_t a = vreinterpretq_u16_u8(vld1q_u8(p));
    const uint16x8_t b = vreinterpretq_u16_u8(vld1q_u8(p + 16));
    return {{bf16(vget_low_u16(a)), bf16(vget_high_u16(a)), bf16(vget_low_u16(b)),
             bf16(vget_high_u16(b))}};
  }
  static Vec load_i8(const uint8_t* p) { return from_int8<0>(vreinterpretq_s8_u8(vld1q_u8(p))); }
  static Vec load_f16(const uint8_t* p) {
    return from_f16(vreinterpretq_f16_u8(vld1q_u8(p)), vreinterpretq_f16_u8(vld1q_u8(p + 16)));
  }
  /// Subnormals included; 0x7F reads as 480 / 256.
  static Vec load_e4m3_256th(const uint8_t* p) {
    const uint8x16_t bytes = vld1q_u8(p);
    return from_f16(half_e4m3(vget_low_u8(bytes)), half_e4m3(vget_high_u8(bytes)));
  }
  /// 2^(byte - 127); 255 becomes infinity, which only a broken file holds.
  static Vec load_e8m0(const uint8_t* p) {
    const uint8x16_t bytes = vld1q_u8(p);
    const uint16x8_t a = vmovl_u8(vget_low_u8(bytes)), b = vmovl_high_u8(bytes);
    return {{e8m0(vget_low_u16(a)), e8m0(vget_high_u16(a)), e8m0(vget_low_u16(b)),
             e8m0(vget_high_u16(b))}};
  }
  static Vec load_e2m1(const uint8_t* p) { return from_int8<1>(twice_e2m1(nibbles(vld1_u8(p)))); }
  /// Reads the codes' own bytes only.
  template <int kBits>
  static Vec load_codes(const uint8_t* p) {
    if constexpr (kBits == 8 || kBits == 4) {
      const uint8x16_t bytes = kBits == 8 ? vld1q_u8(p) : nibbles(vld1_u8(p));
      return from_uint16(vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
    } else {
      return from_uint16(spread<kBits>(load_run<kBits>(p)),
                         spread<kBits>(load_run<kBits>(p + kBits)));
    }
  }

  friend Vec operator+(Vec a, Vec b) {
    return map([](auto x, auto y) { return vaddq_f32(x, y); }, a, b);
  }
  friend Vec operator-(Vec a, Vec b) {
    return map([](auto x, auto y) { return vsubq_f32(x, y); }, a, b);
  }
  friend Vec operator*(Vec a, Vec b) {
    return map([](auto x, auto y) { return vmulq_f32(x, y); }, a, b);
  }
  friend Vec operator/(Vec a, Vec b) {
    return map([](auto x, auto y) { return vdivq_f32(x, y); }, a, b);
  }
  static Vec fma(Vec a, Vec b, Vec c) {
    return map([](auto x, auto y, auto z) { return vfmaq_f32(z, x, y); }, a, b, c);
  }
  static Vec fused(Vec a, Vec b, Vec c) { return fma(a, b, c); }
  // b if either is NaN: not so FMIN and FMAX.
  static Vec min(Vec a, Vec b) {
    return map([](auto x, auto y) { return vbslq_f32(vcltq_f32(x, y), x, y); }, a, b);
  }
  static Vec max(Vec a, Vec b) { return map(max_part, a, b); }
  static Vec round(Vec a) {
    return map([](auto x) { return vrndnq_f32(x); }, a);
  }
  static Vec pow2(Vec n) {
    return map(
        [](auto x) {
          const int32x4_t biased = vaddq_s32(vcvtnq_s32_f32(x), vdupq_n_s32(127));
          return vreinterpretq_f32_s32(vshlq_n_s32(biased, 23));
        },
        n);
  }
  float sum() const {
    const float32x4_t four = vaddq_f32(vaddq_f32(part[0], part[2]), vaddq_f32(part[1], part[3]));
    return vaddv_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)));
  }
  /// Lane i of the result is the sum() of the 16 floats at p + i * stride.
  static Vec sums(const float* p, int64_t stride) {
    float lanes[16];
    for (int i = 0; i < 16; ++i) lanes[i] = load(p + i * stride).sum();
    return load(lanes);
  }
  /// Lane i of the result is lane index[i] of this; `index` is aligned to 64 bytes.
  Vec pick(const int32_t* index) const {
    uint8x16x4_t bytes;
    for (int i = 0; i < 4; ++i) bytes.val[i] = vreinterpretq_u8_f32(part[i]);
    Vec picked;
    for (int i = 0; i < 4; ++i) {
      // Bytes 4 n to 4 n + 3 of lane n.
      const uint32x4_t lanes = vreinterpretq_u32_s32(vld1q_s32(index + 4 * i));
      const uint32x4_t places = vmlaq_n_u32(vdupq_n_u32(0x03020100), lanes, 0x04040404);
      picked.part[i] = vreinterpretq_f32_u8(vqtbl4q_u8(bytes, vreinterpretq_u8_u32(places)));
    }
    return picked;
  }
  float maximum() const {
    return vmaxvq_f32(max_part(max_part(part[0], part[2]), max_part(part[1], part[3])));
  }
  Vec abs() const {
    return map([](auto x) { return vabsq_f32(x); }, *this);
  }
  /// Integral lanes within 16 bits.
  void store_int16(int16_t* p) const {
    vst1q_s16(p, vcombine_s16(int16(part[0]), int16(part[1])));
    vst1q_s16(p + 8, vcombine_s16(int16(part[2]), int16(part[3])));
  }

 private:
  template <class F, class... V>
  [[gnu::always_inline]] static Vec map(const F& f, const V&... v) {
    return {{f(v.part[0]...), f(v.part[1]...), f(v.part[2]...), f(v.part[3]...)}};
  }
  static float32x4_t max_part(float32x4_t a, float32x4_t b) {
    return vbslq_f32(vcgtq_f32(a, b), a, b);
  }
  /// The lanes divided by 2^kHalvings.
  template <int kHalvings>
  static Vec from_int8(int8x16_t x) {
    const int16x8_t a = vmovl_s8(vget_low_s8(x)), b = vmovl_high_s8(x);
    const auto value = [](int32x4_t lanes) {
      if constexpr (kHalvings == 0)
        return vcvtq_f32_s32(lanes);
      else
        return vcvtq_n_f32_s32(lanes, kHalvings);
    };
    return {{value(vmovl_s16(vget_low_s16(a))), value(vmovl_high_s16(a)),
             value(vmovl_s16(vget_low_s16(b))), value(vmovl_high_s16(b))}};
  }
  static Vec from_uint16(uint16x8_t a, uint16x8_t b) {
    return {{vcvtq_f32_u32(vmovl_u16(vget_low_u16(a))), vcvtq_f32_u32(vmovl_high_u16(a)),
             vcvtq_f32_u32(vmovl_u16(vget_low_u16(b))), vcvtq_f32_u32(vmovl_high_u16(b))}};
  }
  static Vec from_f16(float16x8_t a, float16x8_t b) {
    return {{vcvt_f32_f16(vget_low_f16(a)), vcvt_high_f32_f16(a), vcvt_f32_f16(vget_low_f16(b)),
             vcvt_high_f32_f16(b)}};
  }
  static float32x4_t bf16(uint16x4_t bits) { return vreinterpretq_f32_u32(vshll_n_u16(bits, 16)); }
  static uint16x4_t bf16_bits(float32x4_t x) {
    const uint32x4_t bits = vreinterpretq_u32_f32(x);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
    const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    return vshrn_n_u32(vbslq_u32(vceqq_f32(x, x), rounded, quiet), 16);
  }
  static float32x4_t e8m0(uint16x4_t exponent) {
    const uint32x4_t bits = vshlq_n_u32(vmovl_u16(exponent), 23);
    return vreinterpretq_f32_u32(vmaxq_u32(bits, vdupq_n_u32(0x00400000)));
  }
  static int16x4_t int16(float32x4_t x) { return vmovn_s32(vcvtnq_s32_f32(x)); }

  template <int kBits>
  static uint8x8_t load_run(const uint8_t* p) {
    constexpr int kFirst = kBits < 4 ? 2 : 4;  // pieces that one instruction loads
    uint64_t run = 0, rest = 0;
    std::memcpy(&run, p, kFirst);
    std::memcpy(&rest, p + kFirst, kBits - kFirst);
    return vcreate_u8(run | rest << (8 * kFirst));
  }
};

}  // namespace
}  // namespace octavo::neon
