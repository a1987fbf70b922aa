// E4M3, E8M0, E2M1 and BF16, each against the definition in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "numerics/bfloat16.h"
#include "numerics/e2m1.h"
#include "numerics/e4m3.h"
#include "numerics/e8m0.h"

namespace octavo {
namespace {

/// Magnitude code of `count` values in rising order that is nearest to |x|; ties take the even
/// code.
template <typename Decode>
uint8_t nearest_code(double x, int count, Decode decode) {
  const double magnitude = std::min<double>(std::abs(x), decode(count - 1));
  int best = 0;
  for (int code = 1; code < count; ++code) {
    const double now = std::abs(magnitude - decode(code));
    const double before = std::abs(magnitude - decode(best));
    if (now < before || (now == before && code % 2 == 0)) best = code;
  }
  return static_cast<uint8_t>(best);
}

double e4m3_by_definition(int magnitude) {
  const int exponent = magnitude >> 3, mantissa = magnitude & 7;
  return exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
}

uint8_t expected_e4m3(float x) {
  const uint8_t code = nearest_code(x, 127, e4m3_by_definition);
  return static_cast<uint8_t>(code | (std::signbit(x) ? 0x80 : 0));
}

uint8_t expected_e2m1(float x) {
  const uint8_t code = nearest_code(x, 8, [](int c) { return double{kE2m1Values[c]}; });
  return static_cast<uint8_t>(code | (std::signbit(x) ? 8 : 0));
}

std::vector<float> random_floats(int count, float low_exponent, float high_exponent) {
  std::mt19937 engine(5);
  std::uniform_real_distribution<float> exponent(low_exponent, high_exponent);
  std::vector<float> values;
  for (int i = 0; i < count; ++i) {
    const float magnitude = std::exp2(exponent(engine));
    values.push_back(engine() % 2 ? magnitude : -magnitude);
  }
  return values;
}

TEST(E4m3, DecodesEveryCode) {
  for (int code = 0; code < 256; ++code) {
    const float value = decode_e4m3(static_cast<uint8_t>(code));
    if ((code & 0x7f) == 0x7f) {
      EXPECT_TRUE(std::isnan(value)) << code;
      EXPECT_TRUE(std::isnan(kE4m3Values[code])) << code;
      continue;
    }
    const double magnitude = e4m3_by_definition(code & 0x7f);
    EXPECT_EQ(value, code & 0x80 ? -magnitude : magnitude) << code;
    EXPECT_EQ(std::signbit(value), (code & 0x80) != 0) << code;
    EXPECT_EQ(kE4m3Values[code], value);
    EXPECT_EQ(encode_e4m3(value), code);
  }
  EXPECT_EQ(decode_e4m3(0x7e), kE4m3Max);
}

TEST(E4m3, EncodesEveryBf16ValueToTheNearest) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float x = bf16_to_float(static_cast<uint16_t>(bits));
    if (std::isnan(x)) continue;
    ASSERT_EQ(encode_e4m3(x), expected_e4m3(x)) << x;
  }
}

TEST(E4m3, EncodesF32ValuesToTheNearest) {
  for (float x : random_floats(20000, -12, 10)) ASSERT_EQ(encode_e4m3(x), expected_e4m3(x)) << x;
  for (int code = 0; code < 126; ++code) {
    const auto middle =
        static_cast<float>((e4m3_by_definition(code) + e4m3_by_definition(code + 1)) / 2);
    for (float x : {std::nextafter(middle, 0.0f), middle, std::nextafter(middle, 1e9f)}) {
      ASSERT_EQ(encode_e4m3(x), expected_e4m3(x)) << x;
      ASSERT_EQ(encode_e4m3(-x), expected_e4m3(-x)) << x;
    }
  }
}

TEST(E4m3, SaturatesAndNeverWritesNan) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (float x : {448.0f, 464.0f, 480.0f, 1e30f, kInf}) {
    EXPECT_EQ(encode_e4m3(x), 0x7e);
    EXPECT_EQ(encode_e4m3(-x), 0xfe);
  }
  EXPECT_EQ(encode_e4m3(std::numeric_limits<float>::quiet_NaN()) & 0x7f, 0x7e);
  EXPECT_EQ(encode_e4m3(-0.0f), 0x80);
}

TEST(E8m0, DecodesEveryCode) {
  for (int code = 0; code < 255; ++code) {
    const auto byte = static_cast<uint8_t>(code);
    EXPECT_EQ(decode_e8m0(byte), std::ldexp(1.0f, code - 127)) << code;
    EXPECT_EQ(double{decode_e8m0(byte)} * inverse_e8m0(byte), 1.0) << code;
  }
  EXPECT_TRUE(std::isnan(decode_e8m0(0xff)));
}

TEST(E2m1, DecodesEveryCode) {
  constexpr double kMagnitudes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  for (int code = 0; code < 16; ++code) {
    const float value = decode_e2m1(static_cast<uint8_t>(code));
    EXPECT_EQ(std::abs(value), kMagnitudes[code & 7]);
    EXPECT_EQ(std::signbit(value), (code & 8) != 0);
    EXPECT_EQ(encode_e2m1(value), code);
  }
}

TEST(E2m1, EncodesEveryBf16ValueToTheNearest) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float x = bf16_to_float(static_cast<uint16_t>(bits));
    if (std::isnan(x)) continue;
    ASSERT_EQ(encode_e2m1(x), expected_e2m1(x)) << x;
  }
}

TEST(E2m1, EncodesF32ValuesToTheNearest) {
  for (float x : random_floats(20000, -4, 4)) ASSERT_EQ(encode_e2m1(x), expected_e2m1(x)) << x;
  for (float middle : {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f}) {
    for (float x : {std::nextafter(middle, 0.0f), middle, std::nextafter(middle, 9.0f)}) {
      ASSERT_EQ(encode_e2m1(x), expected_e2m1(x)) << x;
      ASSERT_EQ(encode_e2m1(-x), expected_e2m1(-x)) << x;
    }
  }
}

TEST(E2m1, FirstMatchTakesTheSmallerMagnitudeAndLosesNegativeZero) {
  constexpr float kMiddles[] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f};
  for (uint8_t code = 0; code < 7; ++code) {
    EXPECT_EQ(encode_e2m1_first_match(kMiddles[code]), code);
    EXPECT_EQ(encode_e2m1_first_match(-kMiddles[code]), code == 0 ? 0 : code | 8);
  }
  EXPECT_EQ(encode_e2m1_first_match(-0.0f), 0);
  EXPECT_EQ(encode_e2m1_first_match(-0.2f), 0);
  for (float x : random_floats(2000, -1, 4)) EXPECT_EQ(encode_e2m1_first_match(x), encode_e2m1(x));
}

TEST(Bfloat16, EveryValueRoundTrips) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float x = bf16_to_float(static_cast<uint16_t>(bits));
    const uint16_t back = float_to_bf16(x);
    if (std::isnan(x)) {
      EXPECT_TRUE(std::isnan(bf16_to_float(back)));
    } else {
      ASSERT_EQ(back, bits);
    }
  }
}

TEST(Bfloat16, RoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7f7f; bits += 3) {
    const double low = bf16_to_float(static_cast<uint16_t>(bits));
    const double high = bf16_to_float(static_cast<uint16_t>(bits + 1));
    const auto middle = static_cast<float>((low + high) / 2);
    const uint32_t even = bits % 2 == 0 ? bits : bits + 1;
    ASSERT_EQ(float_to_bf16(middle), even);
    ASSERT_EQ(float_to_bf16(std::nextafter(middle, 0.0f)), bits);
    ASSERT_EQ(float_to_bf16(std::nextafter(middle, std::numeric_limits<float>::max())), bits + 1);
    ASSERT_EQ(float_to_bf16(-middle), even | 0x8000u);
  }
}

TEST(Bfloat16, OverflowAndNan) {
  EXPECT_EQ(float_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
  // A NaN whose payload lies in the low bits must not become an infinity.
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(std::bit_cast<float>(0x7f800001u)))));
}

}  // namespace
}  // namespace octavo
