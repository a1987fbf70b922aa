#include "numerics/quant_spec.h"

#include <gtest/gtest.h>

#include "octavo/error.h"
#include "support.h"

namespace octavo {
namespace {

std::string refusal(const QuantSpec& spec) {
  try {
    validate(spec);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadRequest);
    return error.what();
  }
  return "";
}

TEST(QuantSpec, NamesRoundTrip) {
  for (const auto& spec : test::all_specs()) {
    EXPECT_EQ(parse_quant_mode(to_string(spec.mode)), spec.mode);
  }
  EXPECT_EQ(parse_quant_mode("MXFP8"), std::nullopt);
  EXPECT_EQ(parse_quant_mode(""), std::nullopt);
}

TEST(QuantSpec, DefaultsAreValid) {
  EXPECT_EQ(default_spec(QuantMode::kAffine), (QuantSpec{QuantMode::kAffine, 4, 64}));
  EXPECT_EQ(default_spec(QuantMode::kMxfp4), (QuantSpec{QuantMode::kMxfp4, 4, 32}));
  EXPECT_EQ(default_spec(QuantMode::kMxfp8), (QuantSpec{QuantMode::kMxfp8, 8, 32}));
  EXPECT_EQ(default_spec(QuantMode::kNvfp4), (QuantSpec{QuantMode::kNvfp4, 4, 16}));
  for (const auto& spec : test::all_specs()) EXPECT_EQ(refusal(spec), "");
}

TEST(QuantSpec, RefusesEverythingElse) {
  int accepted = 0;
  for (int bits = -1; bits <= 33; ++bits) {
    for (int group : {-32, 0, 1, 8, 16, 32, 48, 64, 96, 128, 256}) {
      for (QuantMode mode :
           {QuantMode::kAffine, QuantMode::kMxfp4, QuantMode::kMxfp8, QuantMode::kNvfp4}) {
        accepted += refusal({mode, bits, group}).empty();
      }
    }
  }
  EXPECT_EQ(accepted, static_cast<int>(test::all_specs().size()));
}

TEST(QuantSpec, MessagesNameTheBadValue) {
  EXPECT_EQ(refusal({QuantMode::kAffine, 7, 64}), "affine: 7 bits, expected 2, 3, 4, 5, 6 or 8");
  EXPECT_EQ(refusal({QuantMode::kAffine, 4, 16}), "affine: group size 16, expected 32, 64 or 128");
  EXPECT_EQ(refusal({QuantMode::kMxfp8, 4, 32}), "mxfp8: 4 bits, expected 8");
  EXPECT_EQ(refusal({QuantMode::kNvfp4, 4, 32}), "nvfp4: group size 32, expected 16");
}

TEST(QuantSpec, Sizes) {
  const QuantSpec spec{QuantMode::kAffine, 5, 64};
  EXPECT_EQ(spec.weight_bytes(128), 80);
  EXPECT_EQ(spec.groups(128), 2);
}

}  // namespace
}  // namespace octavo
