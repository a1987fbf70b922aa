#include "checkpoint/model_config.h"

#include "checkpoint/generation_config.h"
#include "checkpoint/json_file.h"
#include "fixtures.h"

namespace octavo {
namespace {

using nlohmann::json;
using testing::expect_error;

json published(const std::string& name) {
  return read_json_file(std::filesystem::path(OCTAVO_TESTS_DIR) / "configs" / name);
}

ModelConfig parse(const json& config) {
  return ModelConfig::parse(config, "config.json");
}

// A small valid text part; tests break one key at a time.
json tiny_text() {
  return parse_json(R"({
    "model_type": "gemma4_text", "vocab_size": 512, "hidden_size": 128, "num_hidden_layers": 7,
    "intermediate_size": 192, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
    "global_head_dim": 64, "num_global_key_value_heads": 1, "attention_k_eq_v": true,
    "sliding_window": 8, "enable_moe_block": true, "num_experts": 8, "top_k_experts": 2,
    "moe_intermediate_size": 64, "hidden_size_per_layer_input": 0,
    "layer_types": ["sliding_attention", "sliding_attention", "full_attention",
      "sliding_attention", "sliding_attention", "sliding_attention", "full_attention"],
    "rope_parameters": {
      "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
      "full_attention": {"rope_type": "proportional", "rope_theta": 1000000.0,
                         "partial_rotary_factor": 0.25}}})",
                    "tiny");
}

json tiny() {
  return {{"model_type", "gemma4"}, {"text_config", tiny_text()}};
}

void expect_bad(const json& config, const std::vector<std::string>& parts,
                ErrorCode code = ErrorCode::kBadFile) {
  std::vector<std::string> all = parts;
  all.push_back("config.json");
  expect_error(code, all, [&] { parse(config); });
}

// Sets text_config.<key> to `value`.
void expect_bad_text(const std::string& key, const json& value, const std::string& part = "") {
  json config = tiny();
  config["text_config"][key] = value;
  expect_bad(config, {key, part});
}

TEST(ModelConfig, Reads26B) {
  const auto config = parse(published("gemma-4-26b-a4b-it.json"));
  const TextConfig& text = config.text;
  EXPECT_EQ(config.model_type, "gemma4");
  EXPECT_FALSE(config.has_audio);
  EXPECT_EQ(text.vocab_size, 262144);
  EXPECT_EQ(text.hidden_size, 2816);
  EXPECT_EQ(text.num_attention_heads, 16);
  EXPECT_EQ(text.sliding_window, 1024);
  EXPECT_TRUE(text.moe);
  EXPECT_EQ(text.num_experts, 128);
  EXPECT_EQ(text.top_k_experts, 8);
  EXPECT_EQ(text.moe_intermediate_size, 704);
  EXPECT_EQ(text.final_logit_softcapping, 30.0);
  EXPECT_EQ(text.hidden_size_per_layer_input, 0);
  EXPECT_TRUE(text.bidirectional_vision);
  EXPECT_EQ(text.full_rope.theta, 1e6);
  EXPECT_EQ(text.full_rope.partial_rotary_factor, 0.25);
  EXPECT_EQ(text.sliding_rope.theta, 1e4);
  ASSERT_EQ(text.layers.size(), 30u);
  for (size_t i = 0; i < 30; ++i) {
    const bool full = i % 6 == 5;
    EXPECT_EQ(text.layers[i].full_attention, full);
    EXPECT_EQ(text.layers[i].k_is_v, full);
    EXPECT_EQ(text.layers[i].head_dim, full ? 512 : 256);
    EXPECT_EQ(text.layers[i].kv_heads, full ? 2 : 8);
    EXPECT_EQ(text.layers[i].intermediate_size, 2112);
  }
  ASSERT_TRUE(config.vision);
  EXPECT_EQ(config.vision->num_hidden_layers, 27);
  EXPECT_EQ(config.vision->head_dim, 72);
  EXPECT_TRUE(config.vision->standardize);
  EXPECT_FALSE(config.quantization);
}

TEST(ModelConfig, ReadsE2B) {
  const auto config = parse(published("gemma-4-e2b-it.json"));
  EXPECT_TRUE(config.has_audio);
  EXPECT_FALSE(config.text.moe);
  EXPECT_EQ(config.text.hidden_size_per_layer_input, 256);
  EXPECT_EQ(config.text.num_kv_shared_layers, 20);
  ASSERT_EQ(config.text.layers.size(), 35u);
  EXPECT_EQ(config.text.layers[14].intermediate_size, 6144);
  EXPECT_EQ(config.text.layers[15].intermediate_size, 12288);
  EXPECT_EQ(config.text.layers[4].kv_heads, 1);
  EXPECT_EQ(config.text.layers[4].head_dim, 512);
  EXPECT_FALSE(config.text.layers[4].k_is_v);
  // Every fifth layer is full: below the 20 that share, 14 is the last of them and 13 of the
  // others.
  EXPECT_EQ(config.text.layers[13].kv_layer, 13);
  EXPECT_EQ(config.text.layers[14].kv_layer, 14);
  EXPECT_EQ(config.text.layers[15].kv_layer, 13);
  EXPECT_EQ(config.text.layers[34].kv_layer, 14);
}

TEST(ModelConfig, ReadsTheOtherSiblings) {
  EXPECT_EQ(parse(published("gemma-4-e4b-it.json")).text.layers.size(), 42u);
  const auto dense = parse(published("gemma-4-31b-it.json"));
  EXPECT_EQ(dense.text.layers.size(), 60u);
  EXPECT_EQ(dense.text.layers[5].kv_heads, 4);
  EXPECT_FALSE(dense.text.moe);
}

TEST(ModelConfig, ReadsTextKeysAtTopLevel) {
  const auto config = parse(tiny_text());
  EXPECT_EQ(config.model_type, "gemma4_text");
  EXPECT_EQ(config.text.layers.size(), 7u);
  EXPECT_FALSE(config.vision);
}

TEST(ModelConfig, RefusesOtherModelTypes) {
  for (const char* type : {"gemma3", "gemma4_unified", "gemma4_assistant", "llama"}) {
    json config = tiny();
    config["model_type"] = type;
    expect_bad(config, {"model_type", type}, ErrorCode::kUnsupported);
  }
  json config = tiny();
  config.erase("model_type");
  expect_bad(config, {"model_type is missing"});
  expect_bad(json::array(), {"not a JSON object"});
  expect_bad({{"model_type", "gemma4"}}, {"text_config is missing"});
  expect_bad({{"model_type", "gemma4"}, {"text_config", 3}}, {"text_config is not an object"});
}

TEST(ModelConfig, TakesPerLayerConfigForTheOldKeys) {
  json config = tiny();
  json& text = config["text_config"];
  text.erase("global_head_dim");
  text.erase("num_global_key_value_heads");
  text["per_layer_config"] = {{"02", {{"head_dim", 64}, {"num_key_value_heads", 1}}},
                              {"6", {{"head_dim", 64}, {"num_key_value_heads", 1}}}};
  const auto folded = parse(config).text.layers;
  const auto plain = parse(tiny()).text.layers;
  ASSERT_EQ(folded.size(), plain.size());
  for (size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(folded[i].head_dim, plain[i].head_dim) << i;
    EXPECT_EQ(folded[i].kv_heads, plain[i].kv_heads) << i;
  }
  for (const char* key : {"7", "-1", "x", "", "1 "}) {
    text["per_layer_config"] = {{key, {{"head_dim", 64}}}};
    expect_bad(config, {"per_layer_config", "not the index"});
  }
  text["per_layer_config"] = {{"2", {{"sliding_window", 64}}}};
  expect_bad(config, {"per_layer_config.2.sliding_window"}, ErrorCode::kUnsupported);
}

TEST(ModelConfig, DerivesLayerTypesAndForcesTheLastOneFull) {
  json config = tiny();
  config["text_config"]["layer_types"] = nullptr;
  auto layers = parse(config).text.layers;
  EXPECT_TRUE(layers[5].full_attention);
  EXPECT_TRUE(layers[6].full_attention);
  EXPECT_FALSE(layers[2].full_attention);
  config["text_config"]["sliding_window_pattern"] = 3;
  layers = parse(config).text.layers;
  EXPECT_TRUE(layers[2].full_attention && layers[5].full_attention && layers[6].full_attention);
}

TEST(ModelConfig, TakesTheOldNameOfTheExpertWidth) {
  json config = tiny();
  config["text_config"].erase("moe_intermediate_size");
  expect_bad(config, {"moe_intermediate_size is missing"});
  config["text_config"]["expert_intermediate_size"] = 96;
  EXPECT_EQ(parse(config).text.moe_intermediate_size, 96);
}

TEST(ModelConfig, TakesNullWhereZeroIsMeant) {
  json config = tiny();
  config["text_config"]["hidden_size_per_layer_input"] = nullptr;
  config["text_config"]["final_logit_softcapping"] = nullptr;
  EXPECT_EQ(parse(config).text.hidden_size_per_layer_input, 0);
  EXPECT_EQ(parse(config).text.final_logit_softcapping, 0.0);
}

TEST(ModelConfig, RefusesBadSizes) {
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size",
                          "num_attention_heads", "num_key_value_heads", "sliding_window",
                          "head_dim", "max_position_embeddings"}) {
    expect_bad_text(key, 0, "expected an integer");
    expect_bad_text(key, -1, "expected an integer");
    expect_bad_text(key, 1.5, "expected an integer");
    expect_bad_text(key, "8", "expected an integer");
    expect_bad_text(key, uint64_t{1} << 63, "expected an integer");
    expect_bad_text(key, int64_t{1} << 40, "expected an integer");
  }
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers",
                          "num_attention_heads", "num_key_value_heads"}) {
    expect_bad_text(key, nullptr, "is missing");
  }
}

TEST(ModelConfig, RefusesBadExperts) {
  expect_bad_text("num_experts", 0);
  expect_bad_text("num_experts", nullptr, "is missing");
  expect_bad_text("top_k_experts", 0);
  expect_bad_text("top_k_experts", 9, "from 1 to 8");
  json config = tiny();
  config["text_config"]["enable_moe_block"] = false;
  config["text_config"]["num_experts"] = nullptr;
  EXPECT_FALSE(parse(config).text.moe);
}

TEST(ModelConfig, RefusesBadAttention) {
  expect_bad_text("head_dim", 33, "even");
  json uneven = tiny();
  uneven["text_config"]["num_key_value_heads"] = 3;
  expect_bad(uneven, {"num_attention_heads is 4", "3 key/value heads of layer 0"});
  expect_bad_text("num_attention_heads", 5, "multiple of the 2 key/value heads");
  expect_bad_text("layer_types", json::array({"full_attention"}), "expected num_hidden_layers = 7");
  expect_bad_text("layer_types", "full_attention");
  expect_bad_text("layer_types", json::array({1, 2, 3, 4, 5, 6, 7}), "holds 1");
  expect_bad_text("attention_k_eq_v", 1, "true or false");
  json config = tiny();
  config["text_config"]["attention_bias"] = true;
  expect_bad(config, {"attention_bias"}, ErrorCode::kUnsupported);
  config = tiny();
  config["text_config"]["hidden_activation"] = "silu";
  expect_bad(config, {"hidden_activation", "silu"}, ErrorCode::kUnsupported);
  config = tiny();
  config["text_config"]["use_bidirectional_attention"] = "all";
  expect_bad(config, {"use_bidirectional_attention"}, ErrorCode::kUnsupported);
}

TEST(ModelConfig, RefusesBadKvSharing) {
  expect_bad_text("num_kv_shared_layers", 7, "less than num_hidden_layers");
  expect_bad_text("num_kv_shared_layers", -1);
  // Below layer 2 there is no full layer for layer 2 to share with.
  expect_bad_text("num_kv_shared_layers", 5, "shared layer 2");
  json config = tiny();
  config["text_config"]["num_kv_shared_layers"] = 3;
  config["text_config"]["use_double_wide_mlp"] = true;
  const auto layers = parse(config).text.layers;
  EXPECT_EQ(layers[3].intermediate_size, 192);
  EXPECT_EQ(layers[4].intermediate_size, 384);
  // Layer 2 is the last full one below, and its heads are not those of layer 6.
  config["text_config"]["per_layer_config"] = {{"2", {{"head_dim", 64}}},
                                               {"6", {{"head_dim", 128}}}};
  expect_bad(config, {"num_kv_shared_layers", "shared layer 6", "another shape"});
}

TEST(ModelConfig, PerLayerTablesHoldTheVocabulary) {
  json config = tiny();
  config["text_config"]["hidden_size_per_layer_input"] = 32;
  config["text_config"]["vocab_size_per_layer_input"] = 511;
  expect_bad(config, {"vocab_size_per_layer_input", "511", "at least vocab_size = 512"});
  config["text_config"]["vocab_size_per_layer_input"] = 512;
  EXPECT_EQ(parse(config).text.hidden_size_per_layer_input, 32);
}

TEST(ModelConfig, RefusesBadRope) {
  const auto with = [](const std::string& layer, const std::string& key, const json& value) {
    json config = tiny();
    config["text_config"]["rope_parameters"][layer][key] = value;
    return config;
  };
  for (const json& value : {json(0), json(-0.5), json(1.5), json("x")}) {
    expect_bad(with("full_attention", "partial_rotary_factor", value), {"partial_rotary_factor"});
  }
  expect_bad(with("full_attention", "partial_rotary_factor", 0.01), {"rotates nothing"});
  expect_bad(with("full_attention", "factor", 0), {"factor"});
  expect_bad(with("sliding_attention", "rope_theta", 0), {"rope_theta"});
  expect_bad(with("sliding_attention", "rope_type", "yarn"), {"rope_type", "yarn"},
             ErrorCode::kUnsupported);
  expect_bad(with("sliding_attention", "partial_rotary_factor", 0.5), {"sliding_attention"},
             ErrorCode::kUnsupported);
  json config = tiny();
  config["text_config"]["rope_parameters"].erase("full_attention");
  expect_bad(config, {"rope_parameters.full_attention is missing"});
  config["text_config"].erase("rope_parameters");
  EXPECT_EQ(parse(config).text.full_rope.partial_rotary_factor, 0.25);
  EXPECT_EQ(parse(with("full_attention", "factor", 8)).text.full_rope.factor, 8.0);
}

TEST(ModelConfig, RefusesTwoVocabularySizes) {
  json config = tiny();
  config["vocab_size"] = 513;
  expect_bad(config, {"text_config.vocab_size is 512", "513"});
  config["vocab_size"] = 512;
  EXPECT_EQ(parse(config).text.vocab_size, 512);
}

TEST(ModelConfig, ReadsTokenIdsInEveryForm) {
  json config = tiny();
  EXPECT_EQ(parse(config).eos_token_ids, std::vector<int32_t>{1});
  config["text_config"]["eos_token_id"] = 7;
  EXPECT_EQ(parse(config).eos_token_ids, std::vector<int32_t>{7});
  config["eos_token_id"] = {1, 106};
  EXPECT_EQ(parse(config).eos_token_ids, (std::vector<int32_t>{1, 106}));
  config["eos_token_id"] = -1;
  expect_bad(config, {"eos_token_id"});
  config["eos_token_id"] = {1, "x"};
  expect_bad(config, {"eos_token_id"});
  config["eos_token_id"] = int64_t{1} << 31;
  expect_bad(config, {"eos_token_id"});
}

TEST(ModelConfig, ReadsTheTokensThatStandForPictures) {
  json config = tiny();
  config.erase("image_token_id");
  config.erase("video_token_id");
  EXPECT_EQ(parse(config).image_token_id, 258880);
  EXPECT_EQ(parse(config).video_token_id, 258884);
  config["image_token_id"] = 7;
  config["video_token_id"] = 11;
  EXPECT_EQ(parse(config).image_token_id, 7);
  EXPECT_EQ(parse(config).video_token_id, 11);
  config["image_token_id"] = "<|image|>";
  expect_bad(config, {"image_token_id"});
}

TEST(ModelConfig, RefusesBadVision) {
  const auto with = [](const std::string& key, const json& value) {
    json config = published("gemma-4-26b-a4b-it.json");
    config["vision_config"][key] = value;
    return config;
  };
  expect_bad(with("head_dim", 70), {"vision_config.head_dim", "multiple of 4"});
  expect_bad(with("num_key_value_heads", 5), {"vision_config.num_attention_heads"});
  expect_bad(with("patch_size", 0), {"vision_config.patch_size"});
  expect_bad(with("rope_parameters", {{"rope_type", "yarn"}}), {"rope_type"},
             ErrorCode::kUnsupported);
  for (const char* type : {"axial", "default"}) {
    EXPECT_TRUE(parse(with("rope_parameters", {{"rope_type", type}})).vision);
  }
  expect_bad(with("hidden_activation", "silu"), {"vision_config.hidden_activation", "silu"},
             ErrorCode::kUnsupported);
  expect_bad(with("attention_bias", true), {"vision_config.attention_bias"},
             ErrorCode::kUnsupported);
  for (const char* key : {"factor", "partial_rotary_factor"}) {
    expect_bad(with("rope_parameters", {{key, 0.5}}), {"vision_config.rope_parameters", key},
               ErrorCode::kUnsupported);
  }
}

TEST(ModelConfig, FindsTheThetaOfVisionInBothPlaces) {
  json config = published("gemma-4-26b-a4b-it.json");
  json& vision = config["vision_config"];
  const auto theta = [&] { return parse(config).vision->rope_theta; };
  EXPECT_EQ(theta(), 100.0);
  vision["rope_theta"] = 50.0;
  EXPECT_EQ(theta(), 100.0);  // rope_parameters have one
  vision["rope_parameters"].erase("rope_theta");
  EXPECT_EQ(theta(), 50.0);
  vision.erase("rope_parameters");
  EXPECT_EQ(theta(), 50.0);
  vision["rope_theta"] = 0;
  expect_bad(config, {"vision_config.rope_theta"});
}

TEST(GenerationConfig, ReadsTheFileIfThereIsOne) {
  const TempFolder folder;
  EXPECT_TRUE(read_generation_config(folder.path()).eos_token_ids.empty());
  folder.write("generation_config.json", R"({"bos_token_id": 2, "eos_token_id": [1, 106, 50],
      "do_sample": true, "temperature": 1.0, "top_k": 64, "top_p": 0.95})");
  const auto config = read_generation_config(folder.path());
  EXPECT_EQ(config.eos_token_ids, (std::vector<int32_t>{1, 106, 50}));
  EXPECT_EQ(config.temperature, 1.0);
  EXPECT_EQ(config.top_k, 64);
  EXPECT_EQ(config.top_p, 0.95);
  EXPECT_EQ(config.do_sample, true);
}

TEST(GenerationConfig, RefusesValuesOutOfRange) {
  const TempFolder folder;
  for (const char* pair : {R"("temperature": -1)", R"("temperature": "1")", R"("top_k": -5)",
                           R"("top_p": 0)", R"("top_p": 2)", R"("do_sample": 1)",
                           R"("eos_token_id": [-1])", R"("eos_token_id": "1")"}) {
    folder.write("generation_config.json", std::string("{") + pair + "}");
    const std::string key(std::string_view(pair).substr(1, std::string_view(pair).find(':') - 2));
    expect_error(ErrorCode::kBadFile, {"generation_config.json", key},
                 [&] { read_generation_config(folder.path()); });
  }
  folder.write("generation_config.json", "[]");
  expect_error(ErrorCode::kBadFile, {"not a JSON object"},
               [&] { read_generation_config(folder.path()); });
}

}  // namespace
}  // namespace octavo
