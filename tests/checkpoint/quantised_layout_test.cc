#include "checkpoint/quantised_layout.h"

#include <algorithm>

#include "fixtures.h"

namespace octavo {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;
using testing::safetensors;
using testing::Tensor;

const QuantSpec kAffine8x64{QuantMode::kAffine, 8, 64};
const QuantSpec kMxfp8{QuantMode::kMxfp8, 8, 32};
const QuantSpec kMxfp4{QuantMode::kMxfp4, 4, 32};
const QuantSpec kNvfp4{QuantMode::kNvfp4, 4, 16};

// Two rows of 128 inputs.
const Tensor kWeight8{"m.weight", "U32", {2, 32}, ""};
const Tensor kScales8x64{"m.scales", "BF16", {2, 2}, ""};
const Tensor kBiases8x64{"m.biases", "BF16", {2, 2}, ""};
const Tensor kScalesMx{"m.scales", "U8", {2, 4}, ""};

class QuantisedLayoutTest : public ::testing::Test {
 protected:
  QuantisedLayoutTest() {
    folder_.write("config.json", "{}");
    config_.quantization = QuantizationConfig{kAffine8x64, {}};
  }

  Checkpoint open(std::vector<Tensor> tensors) {
    folder_.write("model.safetensors", safetensors(tensors));
    return Checkpoint::open(folder_.path());
  }

  std::optional<QuantSpec> spec_of(const std::vector<Tensor>& tensors, int64_t in = 0) {
    return quant_spec_of(open(tensors), config_, "m", in);
  }

  void expect_bad(const std::vector<Tensor>& tensors, const std::string& tensor,
                  const std::string& part, ErrorCode code = ErrorCode::kBadFile) {
    expect_error(code, {"tensor '" + tensor + "'", part}, [&] { spec_of(tensors); });
  }

  void override_with(std::optional<QuantSpec> spec) { config_.quantization->overrides["m"] = spec; }

  TempFolder folder_;
  ModelConfig config_;
};

TEST_F(QuantisedLayoutTest, AModuleWithoutScalesIsNotQuantised) {
  EXPECT_EQ(spec_of({{"m.weight", "BF16", {2, 128}, ""}}), std::nullopt);
  EXPECT_EQ(spec_of({{"other.weight", "BF16", {2, 128}, ""}}), std::nullopt);
  override_with(std::nullopt);
  EXPECT_EQ(spec_of({{"m.weight", "BF16", {2, 128}, ""}}), std::nullopt);
}

TEST_F(QuantisedLayoutTest, TakesTheTopLevelTripleOrTheOverride) {
  EXPECT_EQ(spec_of({kWeight8, kScales8x64, kBiases8x64}), kAffine8x64);
  override_with(kMxfp8);
  EXPECT_EQ(spec_of({kWeight8, kScalesMx}), kMxfp8);
  expect_bad({kWeight8, kScales8x64, kBiases8x64}, "m.scales", "mxfp8");
}

TEST_F(QuantisedLayoutTest, InfersAMissingOverride) {
  EXPECT_EQ(spec_of({kWeight8, kScalesMx}), kMxfp8);
  EXPECT_EQ(spec_of({{"m.weight", "U32", {2, 16}, ""}, kScalesMx}), kMxfp4);
  EXPECT_EQ(spec_of({{"m.weight", "U32", {2, 16}, ""}, {"m.scales", "U8", {2, 8}, ""}}), kNvfp4);
  EXPECT_EQ(spec_of({{"m.weight", "U32", {2, 16}, ""}, {"m.scales", "F8_E4M3", {2, 8}, ""}}),
            kNvfp4);
  EXPECT_EQ(spec_of({kWeight8, {"m.scales", "F8_E8M0", {2, 4}, ""}}), kMxfp8);
  // Three bits in groups of 32: no other pair has the product 96.
  EXPECT_EQ(spec_of({{"m.weight", "U32", {2, 12}, ""},
                     {"m.scales", "F16", {2, 4}, ""},
                     {"m.biases", "F16", {2, 4}, ""}}),
            (QuantSpec{QuantMode::kAffine, 3, 32}));
}

TEST_F(QuantisedLayoutTest, NeedsTheInputsWhereShapesLeaveItOpen) {
  // 4 bits x 64 and 8 bits x 32 look alike; the top level (8 x 64) fits neither.
  const std::vector<Tensor> tensors{{"m.weight", "U32", {2, 16}, ""},
                                    {"m.scales", "BF16", {2, 2}, ""},
                                    {"m.biases", "BF16", {2, 2}, ""}};
  expect_bad(tensors, "m.scales", "several formats");
  EXPECT_EQ(spec_of(tensors, 128), (QuantSpec{QuantMode::kAffine, 4, 64}));
  EXPECT_EQ(spec_of(tensors, 64), (QuantSpec{QuantMode::kAffine, 8, 32}));
  expect_error(ErrorCode::kBadFile, {"no format"}, [&] { spec_of(tensors, 96); });
}

TEST_F(QuantisedLayoutTest, ReadsExpertStacks) {
  EXPECT_EQ(spec_of({{"m.weight", "U32", {3, 2, 32}, ""}, {"m.scales", "U8", {3, 2, 4}, ""}}),
            kMxfp8);
  expect_bad({{"m.weight", "U32", {3, 2, 32}, ""}, {"m.scales", "U8", {2, 2, 4}, ""}}, "m.scales",
             "does not fit the weight");
}

TEST_F(QuantisedLayoutTest, RefusesMissingParts) {
  expect_bad({kWeight8}, "m.scales", "is missing, though the weight is packed");
  expect_bad({kScales8x64}, "m.weight", "is missing");
  expect_bad({kWeight8, kScales8x64}, "m.biases", "is missing");
  expect_bad({{"m.weight", "BF16", {2, 128}, ""}, kBiases8x64}, "m.biases", "no scales");
  override_with(kMxfp8);
  expect_bad({{"m.weight", "BF16", {2, 128}, ""}}, "m.scales", "configuration says");
  override_with(std::nullopt);
  expect_bad({kWeight8, kScales8x64, kBiases8x64}, "m.scales", "not quantised");
  config_.quantization.reset();
  expect_bad({kWeight8, kScales8x64, kBiases8x64}, "m.scales", "no quantization block");
}

TEST_F(QuantisedLayoutTest, RefusesPartsThatDoNotBelong) {
  expect_bad({kWeight8, kScalesMx, {"m.biases", "U8", {2, 4}, ""}}, "m.biases", "mxfp8");
  expect_bad({kWeight8, kScalesMx, {"m.global_scale", "F32", {1}, ""}}, "m.global_scale",
             "not supported", ErrorCode::kUnsupported);
}

TEST_F(QuantisedLayoutTest, RefusesWrongShapesAndDtypes) {
  expect_bad({{"m.weight", "I32", {2, 32}, ""}, kScalesMx}, "m.weight", "expected U32");
  expect_bad({{"m.weight", "U32", {64}, ""}, kScalesMx}, "m.weight", "two or more dimensions");
  expect_bad({kWeight8, {"m.scales", "U8", {2, 3}, ""}}, "m.scales", "no format");
  expect_bad({kWeight8, {"m.scales", "U8", {3, 4}, ""}}, "m.scales", "does not fit");
  expect_bad({kWeight8, {"m.scales", "U8", {8}, ""}}, "m.scales", "does not fit");
  expect_bad({kWeight8, {"m.scales", "U8", {2, 0}, ""}}, "m.weight", "empty");
  expect_bad({kWeight8, {"m.scales", "I8", {2, 4}, ""}}, "m.scales", "no format");
  expect_bad({kWeight8, kScales8x64, {"m.biases", "F32", {2, 2}, ""}}, "m.biases",
             "like the scales");
  expect_bad({kWeight8, kScales8x64, {"m.biases", "BF16", {2, 1}, ""}}, "m.biases",
             "like the scales");
  override_with(kAffine8x64);
  expect_error(ErrorCode::kBadFile, {"m.scales", "of 256 inputs"},
               [&] { spec_of({kWeight8, kScales8x64, kBiases8x64}, 256); });
  expect_bad({kWeight8, {"m.scales", "U8", {2, 2}, ""}}, "m.scales", "BF16, F16 or F32");
}

TEST_F(QuantisedLayoutTest, ChecksAllModulesAndReportsUnusedOverrides) {
  config_.quantization->overrides["model.m"] = kMxfp8;
  config_.quantization->overrides["nowhere"] = kMxfp8;
  config_.quantization->overrides["dense"] = std::nullopt;
  EXPECT_THAT(check_quantised_layout(open({kWeight8, kScalesMx}), config_), ElementsAre("nowhere"));
  expect_error(ErrorCode::kBadFile, {"'n.scales' is missing"}, [&] {
    check_quantised_layout(open({kWeight8, kScalesMx, {"n.weight", "U32", {2, 32}, ""}}), config_);
  });
}

}  // namespace
}  // namespace octavo
