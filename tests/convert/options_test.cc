#include "convert/options.h"

#include <gtest/gtest.h>

#include "base/fail.h"

namespace octavo::convert {
namespace {

ConvertOptions base() {
  ConvertOptions options;
  options.input = "in";
  options.output = "out";
  return options;
}

ConvertOptions quantised() {
  ConvertOptions options = base();
  options.quantize = true;
  return options;
}

struct Wrong {
  const char* name;
  void (*change)(ConvertOptions&);
  const char* message;  // part of it
};

const Wrong kWrong[] = {
    {"NoInput", [](ConvertOptions& o) { o.input.clear(); }, "--input"},
    {"NoOutput", [](ConvertOptions& o) { o.output.clear(); }, "--output"},
    {"Gguf", [](ConvertOptions& o) { o.input = "model.gguf"; }, "GGUF"},
    {"ModelType", [](ConvertOptions& o) { o.model_type = "llama"; }, "llama"},
    {"Dtype", [](ConvertOptions& o) { o.dtype = Dtype::kU8; }, "--dtype"},
    {"Threads", [](ConvertOptions& o) { o.threads = -1; }, "--threads"},
    {"MxfpAlone",
     [](ConvertOptions& o) {
       o.quantize = false;
       o.mxfp = true;
     },
     "-q"},
    {"RecipeAlone",
     [](ConvertOptions& o) {
       o.quantize = false;
       o.recipe = "unsloth";
     },
     "-q"},
    {"BitsAlone",
     [](ConvertOptions& o) {
       o.quantize = false;
       o.bits = 4;
     },
     "-q"},
    {"MxfpWithMode",
     [](ConvertOptions& o) {
       o.mxfp = true;
       o.mode = QuantMode::kMxfp8;
     },
     "--q-mxfp"},
    {"RecipeWithMxfp8",
     [](ConvertOptions& o) {
       o.recipe = "unsloth";
       o.mode = QuantMode::kMxfp8;
     },
     "use --q-mxfp"},
    {"RecipeWithMxfp4",
     [](ConvertOptions& o) {
       o.recipe = "mixed_3_4";
       o.mode = QuantMode::kMxfp4;
     },
     "use --q-mxfp"},
    {"MixedWithNvfp4",
     [](ConvertOptions& o) {
       o.recipe = "mixed_3_4";
       o.mode = QuantMode::kNvfp4;
     },
     "nvfp4"},
    {"UnknownRecipe", [](ConvertOptions& o) { o.recipe = "best"; }, "unknown recipe"},
    {"NvidiaRecipe", [](ConvertOptions& o) { o.recipe = "nvidia"; }, "not supported"},
    {"QwenRecipe", [](ConvertOptions& o) { o.recipe = "qwen3_5"; }, "not supported"},
    {"MixedWithBits",
     [](ConvertOptions& o) {
       o.recipe = "mixed_3_6";
       o.bits = 4;
     },
     "--q-bits"},
    {"SevenBits", [](ConvertOptions& o) { o.bits = 7; }, "7"},
    {"SevenBitsUnsloth",
     [](ConvertOptions& o) {
       o.recipe = "unsloth";
       o.bits = 7;
     },
     "7"},
    {"OneBit", [](ConvertOptions& o) { o.bits = 1; }, "1"},
    {"NineBits",
     [](ConvertOptions& o) {
       o.recipe = "unsloth";
       o.bits = 9;
     },
     "9"},
    {"OddGroup", [](ConvertOptions& o) { o.group_size = 48; }, "48"},
    {"Mxfp8Bits",
     [](ConvertOptions& o) {
       o.mode = QuantMode::kMxfp8;
       o.bits = 4;
     },
     "4"},
    {"Mxfp4Group",
     [](ConvertOptions& o) {
       o.mode = QuantMode::kMxfp4;
       o.group_size = 64;
     },
     "64"},
    {"Nvfp4Bits",
     [](ConvertOptions& o) {
       o.mode = QuantMode::kNvfp4;
       o.recipe = "unsloth";
       o.bits = 8;
     },
     "8"},
    {"Nvfp4Group",
     [](ConvertOptions& o) {
       o.mode = QuantMode::kNvfp4;
       o.group_size = 32;
     },
     "32"},
    {"MxfpFiveBits",
     [](ConvertOptions& o) {
       o.mxfp = true;
       o.bits = 5;
     },
     "4 or 8"},
    {"TwoBits", [](ConvertOptions& o) { o.bits = 2; }, "--force"},
    {"TwoBitsMixed", [](ConvertOptions& o) { o.recipe = "mixed_2_6"; }, "--force"},
    {"AwqWithoutImatrix", [](ConvertOptions& o) { o.awq = AwqMode::kOn; }, "--imatrix-path"},
    {"ImatrixEnding", [](ConvertOptions& o) { o.imatrix = "im.json"; }, ".gguf_file"},
};

class WrongFlags : public testing::TestWithParam<Wrong> {};

TEST_P(WrongFlags, AreRefusedBeforeAnyFileIsRead) {
  ConvertOptions options = quantised();
  GetParam().change(options);
  try {
    check_options(options, /*planning=*/false);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(GetParam().message), std::string::npos)
        << error.what();
    EXPECT_TRUE(error.code() == ErrorCode::kBadRequest || error.code() == ErrorCode::kUnsupported);
  }
}

INSTANTIATE_TEST_SUITE_P(Options, WrongFlags, testing::ValuesIn(kWrong),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Options, WhatOctavoAllowsAndOthersRefuse) {
  ConvertOptions options = quantised();
  options.recipe = "unsloth";  // without an importance matrix
  options.bits = 8;
  options.mxfp = true;
  EXPECT_NO_THROW(check_options(options, false));
  options.imatrix = "imatrix_unsloth.gguf_file";  // beside float formats
  EXPECT_NO_THROW(check_options(options, false));
}

TEST(Options, TwoBitsPassWithForceOrInAPlan) {
  ConvertOptions options = quantised();
  options.recipe = "mixed_2_6";
  EXPECT_NO_THROW(check_options(options, /*planning=*/true));
  options.force = true;
  EXPECT_NO_THROW(check_options(options, /*planning=*/false));
}

TEST(Options, UnquantisedFoldingIsPossible) {
  ConvertOptions options = base();
  options.imatrix = "im.dat";
  options.awq = AwqMode::kOn;
  EXPECT_NO_THROW(check_options(options, false));
  EXPECT_FALSE(make_recipe(options, 6).has_value());
}

struct UnslothRow {
  int bits;
  const char *embed, *qkv, *down, *gate;
};

TEST(Recipes, UnslothTableOfBits) {
  const UnslothRow rows[] = {
      {2, "affine 4/64", "affine 4/64", "affine 3/64", "affine 2/64"},
      {3, "affine 5/64", "affine 5/64", "affine 4/64", "affine 3/64"},
      {4, "affine 6/64", "affine 6/64", "affine 5/64", "affine 4/64"},
      {5, "affine 8/64", "affine 8/64", "affine 6/64", "affine 5/64"},
      {6, "affine 8/64", "affine 8/64", "affine 8/64", "affine 6/64"},
      {8, "affine 8/64", "affine 8/64", "affine 8/64", "affine 8/64"},
  };
  const std::string layer = "language_model.model.layers.3.";
  for (const UnslothRow& row : rows) {
    ConvertOptions options = quantised();
    options.recipe = "unsloth";
    options.bits = row.bits;
    const Recipe recipe = *make_recipe(options, 30);
    const auto format = [&](const std::string& name) {
      return describe(recipe.rule_for(name).spec);
    };
    EXPECT_EQ(format("language_model.model.embed_tokens.weight"), row.embed) << row.bits;
    EXPECT_EQ(format(layer + "self_attn.k_proj.weight"), row.qkv) << row.bits;
    EXPECT_EQ(format(layer + "mlp.down_proj.weight"), row.down) << row.bits;
    EXPECT_EQ(format(layer + "experts.switch_glu.down_proj.weight"), row.down) << row.bits;
    EXPECT_EQ(format(layer + "experts.switch_glu.up_proj.weight"), row.gate) << row.bits;
    EXPECT_EQ(format("embed_vision.embedding_projection.weight"), row.gate) << row.bits;
    EXPECT_EQ(format(layer + "router.proj.weight"), "affine 8/64");
    EXPECT_EQ(format(layer + "self_attn.o_proj.weight"), "dense");
    EXPECT_EQ(format(layer + "layer_scalar"), "dense");
    EXPECT_EQ(format("vision_tower.encoder.layers.0.mlp.down_proj.linear.weight"), "dense");
  }
}

TEST(Recipes, MixedPicksOuterAndThirdLayers) {
  ConvertOptions options = quantised();
  options.recipe = "mixed_3_6";
  const Recipe recipe = *make_recipe(options, 30);
  std::vector<int> high;
  for (int i = 0; i < 30; ++i) {
    const std::string name = fmt::format("language_model.model.layers.{}.mlp.down_proj.weight", i);
    if (recipe.rule_for(name).spec->bits == 6) high.push_back(i);
  }
  EXPECT_EQ(high, (std::vector<int>{0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29}));
  EXPECT_EQ(recipe.top, (QuantSpec{QuantMode::kAffine, 3, 64}));
}

TEST(Recipes, Nvfp4OverUnsloth) {
  ConvertOptions options = quantised();
  options.recipe = "unsloth";
  options.mode = QuantMode::kNvfp4;
  const Recipe recipe = *make_recipe(options, 30);
  const std::string layer = "language_model.model.layers.3.";
  const auto format = [&](const std::string& name) { return describe(recipe.rule_for(name).spec); };
  EXPECT_EQ(format(layer + "mlp.gate_proj.weight"), "nvfp4 4/16");
  EXPECT_EQ(format(layer + "mlp.down_proj.weight"), "affine 5/64");
  EXPECT_EQ(format(layer + "self_attn.q_proj.weight"), "affine 6/64");
  EXPECT_EQ(format("language_model.model.embed_tokens.weight"), "affine 6/64");
  EXPECT_EQ(format("embed_vision.embedding_projection.weight"), "affine 8/64");
  EXPECT_EQ(recipe.top, (QuantSpec{QuantMode::kNvfp4, 4, 16}));
}

TEST(Recipes, PrintAsATable) {
  ConvertOptions options = quantised();
  options.recipe = "unsloth";
  options.bits = 8;
  options.mxfp = true;
  const std::string text = describe(*make_recipe(options, 30));
  EXPECT_NE(text.find("recipe unsloth+mxfp (version 1), top level affine 8/64"), std::string::npos);
  EXPECT_NE(text.find("q, k and v projections             mxfp8 8/32"), std::string::npos);
}

}  // namespace
}  // namespace octavo::convert
