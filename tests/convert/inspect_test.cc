#include "convert/inspect.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/fail.h"
#include "convert/converter.h"
#include "fixtures.h"

namespace octavo::convert {
namespace {

class Inspect : public testing::Test {
 protected:
  Inspect() { write_checkpoint(in(), tiny_config()); }
  std::filesystem::path in() const { return folder_ / "in"; }
  std::filesystem::path out() const { return folder_ / "out"; }

  void convert_card(ScaleRule rule) {
    ConvertOptions options = options_for(in(), out());
    options.quantize = true;
    options.bits = 8;
    options.mxfp = true;
    options.recipe = "unsloth";
    options.scale = rule;
    convert(options);
  }

  TempFolder folder_;
};

TEST_F(Inspect, ParametersAreThoseOfTheSourceWhateverTheFormat) {
  const InspectReport source = inspect(in(), false, 1);
  convert_card(ScaleRule::kDefault);
  const InspectReport target = inspect(out(), false, 1);
  EXPECT_TRUE(source.problems.empty());
  EXPECT_TRUE(target.problems.empty());
  EXPECT_EQ(source.text_parameters, target.text_parameters);
  EXPECT_EQ(source.tower_parameters, target.tower_parameters);
  EXPECT_EQ(source.active_parameters, target.active_parameters);
  EXPECT_EQ((source.text_parameters + source.tower_parameters) * 2, source.payload_bytes);
  // 2 of 4 experts are at rest: half of 6 layers x 4 experts x 3 matrices of 64 x 128.
  EXPECT_EQ(source.text_parameters - source.active_parameters, 6u * 2 * 3 * 64 * 128);
  uint64_t bytes = 0;
  for (const InspectLine& line : target.lines) bytes += line.bytes;
  EXPECT_EQ(bytes, target.payload_bytes);
}

TEST_F(Inspect, DeepScanTellsTheScaleRule) {
  convert_card(ScaleRule::kDefault);
  const InspectReport up = inspect(out(), true, 2);
  EXPECT_LT(up.deep->saturated_share(), 0.12);
  EXPECT_NE(inspect_text(up).find("rounded up"), std::string::npos);
  std::filesystem::remove_all(out());
  convert_card(ScaleRule::kCompat);
  const InspectReport nearest = inspect(out(), true, 1);
  EXPECT_GT(nearest.deep->saturated_share(), 0.3);
  EXPECT_NE(inspect_text(nearest).find("clipped"), std::string::npos);
}

TEST_F(Inspect, DeepScanFindsCodesThatAreNoNumbers) {
  convert_card(ScaleRule::kDefault);
  std::string file = read_file(out() / "model.safetensors");
  const Checkpoint written = Checkpoint::open(out());
  const std::string module = "language_model.model.layers.0.mlp.up_proj";
  const auto patch = [&](const char* suffix, char value) {
    const TensorView& tensor = written.get(module + suffix);
    const auto at = file.find(
        std::string(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()));
    file[at + 3] = value;
  };
  patch(".weight", '\x7f');
  patch(".scales", '\xff');
  write_file(out() / "model.safetensors", file);
  EXPECT_TRUE(inspect(out(), false, 1).problems.empty());
  const InspectReport report = inspect(out(), true, 1);
  EXPECT_EQ(report.deep->invalid_codes, 1u);
  EXPECT_EQ(report.deep->invalid_scales, 1u);
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_NE(report.problems[0].find(module), std::string::npos);
}

TEST_F(Inspect, DeepScanFindsAffineScalesThatAreNoNumbers) {
  convert_card(ScaleRule::kDefault);
  std::string file = read_file(out() / "model.safetensors");
  {
    const Checkpoint written = Checkpoint::open(out());
    const TensorView& biases = written.get("language_model.model.embed_tokens.biases");
    const auto at = file.find(
        std::string(reinterpret_cast<const char*>(biases.bytes.data()), biases.bytes.size()));
    file.replace(at + 2, 2, "\x80\x7f");  // infinity
  }
  write_file(out() / "model.safetensors", file);
  const InspectReport report = inspect(out(), true, 1);
  EXPECT_EQ(report.deep->invalid_scales, 1u);
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_NE(report.problems[0].find("embed_tokens"), std::string::npos);
}

TEST_F(Inspect, EntriesWithoutATensorAreProblems) {
  convert_card(ScaleRule::kDefault);
  auto config = nlohmann::json::parse(read_file(out() / "config.json"));
  for (const char* key : {"quantization", "quantization_config"}) {
    config[key]["language_model.model.layers.77.mlp.up_proj"] = {
        {"bits", 8}, {"group_size", 32}, {"mode", "mxfp8"}};
  }
  write_file(out() / "config.json", config.dump());
  const InspectReport report = inspect(out(), false, 1);
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_NE(report.problems[0].find("layers.77"), std::string::npos);
}

TEST_F(Inspect, AnIndexThatLiesAboutItsSizeIsNoted) {
  auto index = nlohmann::json::parse(read_file(in() / "model.safetensors.index.json"));
  index["metadata"]["total_size"] = 12345;
  write_file(in() / "model.safetensors.index.json", index.dump());
  const InspectReport report = inspect(in(), false, 1);
  const bool noted = std::any_of(report.notes.begin(), report.notes.end(), [](const auto& note) {
    return note.find("12345") != std::string::npos;
  });
  EXPECT_TRUE(noted);
  EXPECT_TRUE(report.problems.empty());
}

TEST_F(Inspect, MissingTensorsAreProblems) {
  auto config = tiny_config();
  config["text_config"]["num_hidden_layers"] = 7;
  config["text_config"]["layer_types"].push_back("full_attention");
  write_file(in() / "config.json", config.dump());
  const InspectReport report = inspect(in(), false, 1);
  EXPECT_FALSE(report.problems.empty());
}

TEST_F(Inspect, ATowerWithoutWeightsIsNotShown) {
  EXPECT_NE(inspect_text(inspect(in(), false, 1)).find("vision tower:"), std::string::npos);
  auto blind = tiny_config();
  blind.erase("vision_config");
  const std::filesystem::path folder = folder_ / "blind";
  write_checkpoint(folder, blind);
  write_file(folder / "config.json", tiny_config().dump());
  const InspectReport report = inspect(folder, false, 1);
  EXPECT_TRUE(report.problems.empty());
  EXPECT_EQ(report.notes.size(), 1u);  // says so
  EXPECT_EQ(inspect_text(report).find("vision tower:"), std::string::npos);
}

TEST_F(Inspect, JsonHasTheTotals) {
  const auto json = inspect_json(inspect(in(), false, 1));
  EXPECT_EQ(json["layers"]["count"], 6);
  EXPECT_EQ(json["layers"]["full"], 1);
  EXPECT_EQ(json["layers"]["experts_per_token"], 2);
  EXPECT_EQ(json["modes"]["BF16"]["bytes"], json["payload_bytes"]);
}

}  // namespace
}  // namespace octavo::convert
