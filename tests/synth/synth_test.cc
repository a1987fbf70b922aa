#include "synth/synth.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "checkpoint/checkpoint.h"
#include "checkpoint/json_file.h"
#include "convert/converter.h"
#include "fixtures.h"
#include "numerics/bfloat16.h"
#include "octavo/error.h"
#include "synth/shapes.h"

namespace octavo::synth {
namespace {

using convert::ConvertOptions;
using nlohmann::json;

class SynthTest : public testing::Test {
 protected:
  SynthTest() { set_config(small_config()); }

  void set_config(const json& config) { write_file(folder_ / "config.json", config.dump()); }

  SynthOptions options(const std::string& name, ConvertOptions layout = {}) const {
    SynthOptions result;
    result.config = folder_ / "config.json";
    result.layout = layout;
    result.layout.output = folder_ / name;
    result.layout.threads = 1;
    result.layout.quiet = true;
    return result;
  }

  std::string weights(const std::string& name) const {
    return read_file(folder_ / name / "model.safetensors");
  }

  TempFolder folder_;
};

std::vector<std::pair<std::string, ConvertOptions>> layouts() {
  std::vector<std::pair<std::string, ConvertOptions>> all;
  const auto add = [&](const std::string& name, std::optional<int> bits,
                       std::optional<QuantMode> mode, bool mxfp, const std::string& recipe) {
    ConvertOptions layout;
    layout.quantize = true;
    layout.bits = bits;
    layout.mode = mode;
    layout.mxfp = mxfp;
    layout.recipe = recipe;
    all.emplace_back(name, layout);
  };
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    add("affine" + std::to_string(bits), bits, std::nullopt, false, "");
  }
  add("mxfp4", std::nullopt, QuantMode::kMxfp4, false, "");
  add("mxfp8", std::nullopt, QuantMode::kMxfp8, false, "");
  add("nvfp4", std::nullopt, QuantMode::kNvfp4, false, "");
  add("card", 8, std::nullopt, true, "unsloth");
  add("unsloth3", std::nullopt, std::nullopt, false, "unsloth");
  add("unsloth4", 4, std::nullopt, true, "unsloth");
  add("unsloth_nvfp4", std::nullopt, QuantMode::kNvfp4, false, "unsloth");
  for (const char* name : {"mixed_2_6", "mixed_3_4", "mixed_3_6", "mixed_4_6"}) {
    add(name, std::nullopt, std::nullopt, false, name);
  }
  for (const ScaleRule rule : {ScaleRule::kCompat, ScaleRule::kCompatCpu}) {
    ConvertOptions layout = all[9].second;  // the card's
    layout.scale = rule;
    all.emplace_back("card_scale" + std::to_string(static_cast<int>(rule)), layout);
  }
  return all;
}

TEST_F(SynthTest, QuantisedIsWhatConvertMakesOfBf16) {
  synthesise(options("bf16"));
  for (const auto& [name, layout] : layouts()) {
    SynthOptions wanted = options(name, layout);
    wanted.layout.force = true;  // 2 bits
    const SynthReport report = synthesise(wanted);
    ConvertOptions conversion = wanted.layout;
    conversion.input = folder_ / "bf16";
    conversion.output = folder_ / (name + "-converted");
    const convert::ConvertReport converted = convert::convert(conversion);
    EXPECT_EQ(report.bytes, converted.plan.payload_bytes()) << name;
    EXPECT_EQ(report.tensors, converted.plan.output_count()) << name;
    EXPECT_TRUE(weights(name) == weights(name + "-converted")) << name;
    json config = read_json_file(folder_ / name / "config.json");
    EXPECT_EQ(config["octavo"]["synthetic_seed"], 1);
    config["octavo"].erase("synthetic_seed");
    EXPECT_EQ(config, read_json_file(folder_ / (name + "-converted") / "config.json")) << name;
  }
}

TEST_F(SynthTest, Bf16HasTheSourcesNames) {
  synthesise(options("bf16"));
  const Checkpoint checkpoint = Checkpoint::open(folder_ / "bf16");
  const TensorView& fused = checkpoint.get("model.language_model.layers.3.experts.gate_up_proj");
  EXPECT_EQ(fused.shape, (std::vector<int64_t>{4, 896, 256}));
  EXPECT_EQ(fused.dtype, Dtype::kBF16);
  for (const auto& [name, view] : checkpoint.tensors()) {
    EXPECT_TRUE(name.starts_with("model.language_model.")) << name;
  }
  EXPECT_TRUE(checkpoint.config()["vision_config"].is_null());
}

TEST_F(SynthTest, BytesFollowFromTheSeedAlone) {
  SynthOptions first = options("a"), threads = options("b"), other = options("c");
  threads.layout.threads = 3;
  other.seed = 2;
  for (const SynthOptions& each : {first, threads, other}) synthesise(each);
  EXPECT_TRUE(weights("a") == weights("b"));
  EXPECT_EQ(weights("a").size(), weights("c").size());
  EXPECT_FALSE(weights("a") == weights("c"));
  EXPECT_EQ(read_file(folder_ / "a" / "tokenizer.json"),
            read_file(folder_ / "c" / "tokenizer.json"));
}

struct Moments {
  double mean = 0, deviation = 0, largest = 0, smallest = 0;
};

std::vector<float> values_of(const TensorView& view) {
  std::vector<float> values;
  for (size_t i = 0; i < view.bytes.size(); i += 2) {
    uint16_t bits;
    std::memcpy(&bits, view.bytes.data() + i, sizeof bits);
    values.push_back(bf16_to_float(bits));
  }
  return values;
}

Moments moments(const std::vector<float>& values) {
  Moments result;
  const auto count = static_cast<double>(values.size());
  for (const float value : values) result.mean += value / count;
  for (const float value : values) {
    result.deviation += (value - result.mean) * (value - result.mean) / count;
  }
  result.deviation = std::sqrt(result.deviation);
  const auto [smallest, largest] = std::minmax_element(values.begin(), values.end());
  result.largest = *largest;
  result.smallest = *smallest;
  return result;
}

TEST_F(SynthTest, ValuesAreSpreadAsInTrainedModels) {
  synthesise(options("bf16"));
  const Checkpoint checkpoint = Checkpoint::open(folder_ / "bf16");
  const std::string prefix = "model.language_model.";
  const auto of = [&](const std::string& name) {
    return moments(values_of(checkpoint.get(prefix + name)));
  };
  const Moments q = of("layers.0.self_attn.q_proj.weight");  // one column of 256 is larger
  EXPECT_NEAR(q.mean, 0, 0.002);
  EXPECT_NEAR(q.deviation, 1.2 / 16 * std::sqrt(1 + 35.0 / 256), 0.004);
  EXPECT_GT(q.largest, 6 * q.deviation);
  const Moments scalar = of("layers.0.layer_scalar");
  EXPECT_GE(scalar.smallest, 0.84);
  EXPECT_LE(scalar.largest, 0.98);
  const Moments norm = of("layers.0.input_layernorm.weight");
  EXPECT_NEAR(norm.mean, 1, 0.1);
  EXPECT_NEAR(norm.deviation, 1.5 / std::sqrt(12), 0.05);
  EXPECT_LE(of("layers.0.post_attention_layernorm.weight").largest, 0.21);
  EXPECT_GT(of("layers.0.post_feedforward_layernorm.weight").smallest, 1.4);
  EXPECT_LE(of("layers.1.post_feedforward_layernorm.weight").largest, 0.21);
  EXPECT_LE(of("layers.1.post_feedforward_layernorm_2.weight").largest, 0.36);
  const Moments last = of("norm.weight");  // of both signs
  EXPECT_NEAR(last.mean, 0, 1.5);
  EXPECT_NEAR(last.deviation, 18 / std::sqrt(12), 0.5);
  EXPECT_NEAR(of("layers.0.router.proj.weight").deviation, 1.6, 0.2);
}

TEST_F(SynthTest, NoTwoRowsOfTheHeadAndNoTwoTensorsAreAlike) {
  synthesise(options("bf16"));
  const Checkpoint checkpoint = Checkpoint::open(folder_ / "bf16");
  const std::span<const std::byte> head =
      checkpoint.get("model.language_model.embed_tokens.weight").bytes;
  std::set<std::string> rows;
  const size_t row_bytes = 2 * 256;
  for (size_t at = 0; at < head.size(); at += row_bytes) {
    rows.emplace(reinterpret_cast<const char*>(head.data() + at), row_bytes);
  }
  EXPECT_EQ(rows.size(), 640u);
  std::set<std::string> tensors;
  for (const auto& [name, view] : checkpoint.tensors()) {
    tensors.emplace(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size());
  }
  EXPECT_EQ(tensors.size(), checkpoint.tensors().size());
}

TEST_F(SynthTest, SharedLayersAndPerLayerInputsAreWritten) {
  json e2b = config_like("e2b");  // per-layer inputs, shared layers, wide MLPs
  keep_layers(e2b, 17, "e2b");
  e2b["text_config"].update({{"hidden_size", 64},
                             {"intermediate_size", 128},
                             {"hidden_size_per_layer_input", 64},
                             {"num_attention_heads", 2},
                             {"head_dim", 32},
                             {"global_head_dim", 64},
                             {"vocab_size", 520},
                             {"vocab_size_per_layer_input", 520}});
  set_config(e2b);
  ConvertOptions layout;
  layout.quantize = true;
  layout.recipe = "unsloth";
  synthesise(options("e2b", layout));
  const Checkpoint checkpoint = Checkpoint::open(folder_ / "e2b");
  const auto& tensors = checkpoint.tensors();
  EXPECT_TRUE(tensors.contains("language_model.model.embed_tokens_per_layer.scales"));
  EXPECT_TRUE(tensors.contains("language_model.model.layers.14.self_attn.k_proj.weight"));
  EXPECT_FALSE(tensors.contains("language_model.model.layers.15.self_attn.k_proj.weight"));
}

TEST_F(SynthTest, TextOnlyConfigurationsWork) {
  json text = small_config()["text_config"];
  text["model_type"] = "gemma4_text";
  set_config(text);
  SynthOptions wanted = options("text");
  wanted.layers = 2;
  synthesise(wanted);
  EXPECT_TRUE(Checkpoint::open(folder_ / "text").tensors().contains("model.layers.1.layer_scalar"));
}

void expect_error(const SynthOptions& options, const std::string& part) {
  try {
    synthesise(options);
    ADD_FAILURE() << "no error, expected: " << part;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST_F(SynthTest, WhatCannotWorkIsRefused) {
  SynthOptions both = options("out"), neither = options("out"), unknown = options("out");
  both.like = unknown.like = "26b-a4b";
  neither.config.clear();
  expect_error(both, "either --like or --config");
  expect_error(neither, "either --like or --config");
  unknown.config.clear();
  unknown.like = "70b";
  expect_error(unknown, "--like '70b': expected one of 26b-a4b, 31b, e2b, e4b");
  SynthOptions layers = options("out");
  layers.layers = 7;
  expect_error(layers, "config.json has 6 layers; expected 1 to 6");
  SynthOptions missing = options("out");
  missing.config = folder_ / "none.json";
  expect_error(missing, "none.json");
  SynthOptions around = options("out");
  around.layout.output = folder_.path();
  around.layout.force = true;
  expect_error(around, "is the input or contains it");
  json config = small_config();
  config["text_config"]["vocab_size"] = 500;
  set_config(config);
  expect_error(options("out"), "vocab_size is 500, expected at least 502");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(SynthTest, AnExistingFolderNeedsForce) {
  synthesise(options("out"));
  const std::string before = weights("out");
  SynthOptions again = options("out");
  again.seed = 5;
  expect_error(again, "exists; give --force");
  EXPECT_TRUE(weights("out") == before);
  again.layout.force = true;
  synthesise(again);
  EXPECT_FALSE(weights("out") == before);
}

TEST_F(SynthTest, AnInterruptLeavesNothing) {
  try {
    synthesise(options("out"), [] { return true; });
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    ++entries;
  }
  EXPECT_EQ(entries, 1u);  // config.json
}

}  // namespace
}  // namespace octavo::synth
