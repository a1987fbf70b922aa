#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "../temp_folder.h"
#include "checkpoint/safetensors.h"
#include "run_octavo.h"

namespace octavo::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::string kConfig = std::string(OCTAVO_SOURCE_DIR) + "/models/capitals/config.json";

class SynthCommandTest : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_ / name; }

  Outcome synth(const std::string& name, std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"synth", "--config", kConfig, "-o", path(name)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_octavo(arguments);
  }

  TempFolder folder_;
};

TEST_F(SynthCommandTest, TheResultRuns) {
  for (const std::vector<std::string>& layout : {std::vector<std::string>{"--bf16"},
                                                 {"--recipe", "unsloth"},
                                                 {"-q", "--q-mode", "nvfp4"},
                                                 {"-q", "--q-bits", "6"}}) {
    std::vector<std::string> flags = layout;
    flags.push_back("--force");
    const Outcome written = synth("model", flags);
    ASSERT_EQ(written.status, 0) << written.err;
    EXPECT_THAT(written.out, HasSubstr(" tensors, "));
    const std::string model = path("model");
    const std::string out = path("logits.safetensors");
    const Outcome logits =
        run_octavo({"logits", "-m", model, "--tokens", "2,105,494,700,1300,107,106,900", "--out",
                    out, "--threads", "1"});
    ASSERT_EQ(logits.status, 0) << logits.err;
    const SafetensorsFile file = SafetensorsFile::open(out);
    const std::span<const std::byte> bytes = file.tensors().at(0).bytes;
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    ASSERT_EQ(values.size(), 8u * 2048);
    double squares = 0;
    for (const float value : values) {
      ASSERT_TRUE(std::isfinite(value));
      squares += value * value;
    }
    const double rms = std::sqrt(squares / static_cast<double>(values.size()));
    EXPECT_GT(rms, 3);
    EXPECT_LT(rms, 12);
    const Outcome answer = run_octavo({"generate", "-m", model, "-p", "Hello", "--temp", "0",
                                       "--max-tokens", "8", "--threads", "1", "--json"});
    EXPECT_EQ(answer.status, 0) << answer.err;
    EXPECT_GT(json::parse(answer.out)["usage"]["prompt_tokens"], 5);
  }
}

TEST_F(SynthCommandTest, TheRecipesNameMeansThePublishedLayout) {
  ASSERT_EQ(synth("short", {"--recipe", "unsloth", "--quiet"}).status, 0);
  ASSERT_EQ(
      synth("long", {"-q", "--q-bits", "8", "--q-mxfp", "--q-recipe", "unsloth", "--quiet"}).status,
      0);
  const Outcome report = run_octavo({"inspect", path("short"), "--json"});
  EXPECT_EQ(report.status, 0) << report.err;
  const auto shards = [&](const std::string& name) {
    return SafetensorsFile::open(folder_ / name / "model.safetensors");
  };
  const SafetensorsFile short_form = shards("short"), long_form = shards("long");
  ASSERT_EQ(short_form.tensors().size(), long_form.tensors().size());
  for (size_t i = 0; i < short_form.tensors().size(); ++i) {
    const TensorView &a = short_form.tensors()[i], &b = long_form.tensors()[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_TRUE(std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end()));
  }
}

TEST_F(SynthCommandTest, WrongUsageExitsWithTwoAndOneLine) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"synth"}, "--like or --config"},
      {{"synth", "--like", "26b-a4b"}, "--output is missing"},
      {{"synth", "--like", "9b", "-o", path("x")}, "26b-a4b, 31b, e2b, e4b"},
      {{"synth", "--like", "31b", "--config", kConfig, "-o", path("x")}, "--like or --config"},
      {{"synth", "--like", "31b", "-o", path("x"), "--bf16", "-q"}, "--bf16"},
      {{"synth", "--like", "31b", "-o", path("x"), "--bf16", "--recipe", "unsloth"}, "--bf16"},
      {{"synth", "--like", "31b", "-o", path("x"), "--recipe", "unsloth", "--q-bits", "4"},
       "--recipe stands for a whole layout"},
      {{"synth", "--like", "31b", "-o", path("x"), "--recipe", "best"}, "unknown recipe"},
      {{"synth", "--like", "31b", "-o", path("x"), "--q-bits", "4"}, "-q/--quantize"},
      {{"synth", "--like", "31b", "-o", path("x"), "-q", "--q-bits", "7"}, "7"},
      {{"synth", "--like", "31b", "-o", path("x"), "-q", "--q-mode", "int4"}, "--q-mode 'int4'"},
      {{"synth", "--like", "31b", "-o", path("x"), "--layers", "many"}, "--layers"}};
  for (const auto& [arguments, part] : wrong) {
    const Outcome outcome = run_octavo(arguments);
    EXPECT_EQ(outcome.status, 2) << part;
    EXPECT_THAT(outcome.err, HasSubstr(part));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
  const Outcome layers = run_octavo({"synth", "--like", "31b", "-o", path("x"), "--layers", "61"});
  EXPECT_EQ(layers.status, 1);
  EXPECT_THAT(layers.err, HasSubstr("--layers 61: 31b has 60 layers; expected 1 to 60"));
  EXPECT_FALSE(std::filesystem::exists(path("x")));
}

}  // namespace
}  // namespace octavo::cli
