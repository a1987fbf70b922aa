#include "synth/shapes.h"

#include <gtest/gtest.h>

#include "checkpoint/json_file.h"
#include "checkpoint/model_config.h"
#include "octavo/error.h"

namespace octavo::synth {
namespace {

using nlohmann::json;

json real_config(const std::string& name) {
  return read_json_file(std::string(OCTAVO_TESTS_DIR) + "/configs/gemma-4-" + name + "-it.json");
}

TEST(ShapesTest, AreThoseOfThePublishedConfigurations) {
  for (const char* name : {"26b-a4b", "31b", "e2b", "e4b"}) {
    json real = real_config(name);
    real.erase("transformers_version");
    strip_config(real);
    EXPECT_EQ(config_like(name), real) << name;
  }
  EXPECT_THROW(config_like("27b"), Error);
}

TEST(ShapesTest, FirstLayersKeepTheirTypes) {
  json config = config_like("26b-a4b");
  keep_layers(config, 14, "config");
  const TextConfig text = ModelConfig::parse(config, "config").text;
  ASSERT_EQ(text.layers.size(), 14u);
  for (size_t i = 0; i < 14; ++i) {
    EXPECT_EQ(text.layers[i].full_attention, i == 5 || i == 11 || i == 13) << i;
  }
  EXPECT_EQ(config["text_config"]["layer_types"][13], "full_attention");
  EXPECT_EQ(text.vocab_size, 262144);
}

TEST(ShapesTest, LayersThatReuseKeysStayTheSame) {
  json config = config_like("e2b");  // 15 layers of their own, 20 that reuse
  keep_layers(config, 18, "config");
  EXPECT_EQ(ModelConfig::parse(config, "config").text.num_kv_shared_layers, 3);
  keep_layers(config, 10, "config");
  EXPECT_EQ(ModelConfig::parse(config, "config").text.num_kv_shared_layers, 0);
}

TEST(ShapesTest, PerLayerEntriesOfLostLayersGo) {
  json config = config_like("26b-a4b");
  config["text_config"]["per_layer_config"] = {{"05", {{"head_dim", 512}}},
                                               {"29", {{"head_dim", 512}}}};
  keep_layers(config, 6, "config");
  EXPECT_EQ(config["text_config"]["per_layer_config"], json({{"05", {{"head_dim", 512}}}}));
}

TEST(ShapesTest, MoreLayersThanThereAreIsAnError) {
  for (const int64_t layers : {-1, 0, 31}) {
    json config = config_like("26b-a4b");
    try {
      keep_layers(config, layers, "26b-a4b");
      ADD_FAILURE() << layers;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadRequest);
      EXPECT_NE(std::string(error.what()).find("26b-a4b has 30 layers"), std::string::npos);
    }
  }
}

TEST(ShapesTest, QuantisationOfTheSourceIsForgotten) {
  json config = config_like("31b");
  config["quantization"] = config["quantization_config"] = {{"bits", 8}};
  config["vision_config"] = {{"hidden_size", 64}};
  strip_config(config);
  EXPECT_EQ(config, config_like("31b"));
}

}  // namespace
}  // namespace octavo::synth
