#include "checkpoint/quantization_config.h"

#include "checkpoint/json_file.h"
#include "fixtures.h"

namespace octavo {
namespace {

using testing::expect_error;

std::optional<QuantizationConfig> parse(const std::string& text) {
  return QuantizationConfig::parse(parse_json(text, "config.json"), "config.json");
}

void expect_bad(const std::string& block, const std::vector<std::string>& parts,
                ErrorCode code = ErrorCode::kBadFile) {
  std::vector<std::string> all = parts;
  all.push_back("config.json: quantization");
  expect_error(code, all, [&] { parse("{\"quantization\":" + block + "}"); });
}

const QuantSpec kTop{QuantMode::kAffine, 8, 64};
const QuantSpec kMx{QuantMode::kMxfp8, 8, 32};

TEST(QuantizationConfig, ReadsTopLevelAndOverrides) {
  const auto config = parse(R"({"quantization": {"group_size": 64, "bits": 8, "mode": "affine",
      "language_model.model.a": {"bits": 8, "group_size": 32, "mode": "mxfp8"},
      "language_model.model.b": {"bits": 4},
      "language_model.model.c": false, "language_model.model.d": true,
      "some_number": 3, "some_text": "x", "some_list": [1]}})");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->top, kTop);
  EXPECT_EQ(**config->find("language_model.model.a"), kMx);
  EXPECT_EQ(**config->find("language_model.model.b"), (QuantSpec{QuantMode::kAffine, 4, 64}));
  EXPECT_FALSE(config->find("language_model.model.c")->has_value());
  EXPECT_EQ(**config->find("language_model.model.d"), kTop);
  EXPECT_EQ(config->find("language_model.model.e"), nullptr);
  EXPECT_EQ(config->find("some_number"), nullptr);
}

TEST(QuantizationConfig, AnOverrideWithoutModeIsAffineEvenUnderAFloatMode) {
  const auto config = parse(R"({"quantization": {"group_size": 32, "bits": 8, "mode": "mxfp8",
      "m.router.proj": {"group_size": 64, "bits": 8}}})");
  EXPECT_EQ(config->top, kMx);
  EXPECT_EQ(**config->find("m.router.proj"), kTop);
}

TEST(QuantizationConfig, NullMeansTheModesOwnGroupSize) {
  const auto config = parse(R"({"quantization": {"group_size": null, "bits": 4, "mode": "nvfp4",
      "a": {"group_size": null, "bits": 4, "mode": "mxfp4"}}})");
  EXPECT_EQ(config->top.group_size, 16);
  EXPECT_EQ((*config->find("a"))->group_size, 32);
}

TEST(QuantizationConfig, FindsModulesUnderEveryPrefix) {
  const auto config = parse(R"({"quantization": {"group_size": 64, "bits": 8,
      "language_model.model.layers.0.mlp.up_proj": {"bits": 4}, "layers.1.x": {"bits": 2}}})");
  for (const char* prefix :
       {"", "model.", "language_model.", "model.language_model.", "language_model.model."}) {
    const auto* up = config->find(std::string(prefix) + "layers.0.mlp.up_proj");
    ASSERT_NE(up, nullptr) << prefix;
    EXPECT_EQ((*up)->bits, 4);
    ASSERT_NE(config->find(std::string(prefix) + "layers.1.x"), nullptr) << prefix;
  }
  EXPECT_EQ(config->find("vision_tower.layers.0.mlp.up_proj"), nullptr);
}

TEST(QuantizationConfig, FallsBackOnTheCopyOnlyInMlxForm) {
  EXPECT_EQ(parse("{}"), std::nullopt);
  EXPECT_EQ(parse(R"({"quantization": null, "quantization_config": null})"), std::nullopt);
  const auto copy = parse(R"({"quantization_config": {"group_size": 32, "bits": 8,
      "mode": "mxfp8"}})");
  EXPECT_EQ(copy->top, kMx);
  expect_error(ErrorCode::kUnsupported, {"quant_method", "compressed-tensors"},
               [] { parse(R"({"quantization_config": {"quant_method": "compressed-tensors"}})"); });
}

TEST(QuantizationConfig, RefusesTriplesThatDoNotExist) {
  expect_bad(R"({"group_size": 0, "bits": 8})", {});
  expect_bad(R"({"group_size": 3, "bits": 8})", {});
  expect_bad(R"({"group_size": 33, "bits": 8})", {});
  expect_bad(R"({"group_size": -64, "bits": 8})", {"group_size"});
  expect_bad(R"({"group_size": 64, "bits": 7})", {});
  expect_bad(R"({"group_size": 64, "bits": 1})", {});
  expect_bad(R"({"group_size": 64, "bits": 4294967304})", {"bits"});
  expect_bad(R"({"group_size": 64, "bits": 8, "mode": "mxfp8"})", {});
  expect_bad(R"({"group_size": 64, "bits": 8, "mode": "int8"})", {"mode", "int8"});
  expect_bad(R"({"group_size": 64, "bits": 8, "mode": 8})", {"mode"});
  expect_bad(R"({"group_size": 64, "bits": "8"})", {"bits"});
  expect_bad(R"({"group_size": 64, "bits": null})", {"bits is missing"});
  expect_bad(R"({"bits": 8})", {"group_size is missing"});
  expect_bad("[]", {"not an object"});
}

TEST(QuantizationConfig, NamesTheModuleOfABadOverride) {
  expect_bad(R"({"group_size": 64, "bits": 8, "x.y": {"bits": 7}})", {"x.y"});
  expect_bad(R"({"group_size": 64, "bits": 8, "x.y": {"group_size": 33}})", {"x.y"});
  expect_bad(R"({"group_size": 64, "bits": 8, "x.y": {"mode": "fp8"}})", {"x.y.mode", "fp8"});
  expect_bad(R"({"group_size": 64, "bits": 8, "x.y": {"global_scale": true}})",
             {"x.y.global_scale"}, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace octavo
