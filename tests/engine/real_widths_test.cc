// Sequences on random models with the widths of the real ones: rows of activations then lie apart
// by more than their length (stride_of), which no small model shows.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "../temp_folder.h"
#include "engine/sequence.h"
#include "kernels/panel_sizes.h"
#include "synth/shapes.h"
#include "synth/synth.h"

namespace octavo {
namespace {

static_assert(stride_of(1024) > 1024 && stride_of(2048) > 2048 && stride_of(4096) > 4096 &&
              stride_of(8192) > 8192);

/// One sliding and one full layer with the heads of 26B-A4B, 4096 and 8192 wide together, between
/// residuals of 1024; few tokens and experts, so that it is made in a moment.
nlohmann::json wide_config() {
  nlohmann::json config = synth::config_like("26b-a4b");
  synth::keep_layers(config, 2, "26b-a4b");
  config["text_config"].update({{"hidden_size", 1024},
                                {"intermediate_size", 2048},
                                {"moe_intermediate_size", 1024},
                                {"num_experts", 4},
                                {"top_k_experts", 2},
                                {"vocab_size", 640},
                                {"sliding_window", 16}});
  return config;
}

class RealWidths : public testing::Test {
 protected:
  RealWidths() {
    std::ofstream(folder_ / "config.json") << wide_config();
    synth::SynthOptions options;
    options.config = folder_ / "config.json";
    options.layout.quantize = true;
    options.layout.bits = 8;
    options.layout.mxfp = true;
    options.layout.recipe = "unsloth";
    options.layout.output = folder_ / "model";
    options.layout.quiet = true;
    synth::synthesise(options);
    for (int32_t i = 0; i < 40; ++i) tokens_.push_back((i * 37 + i * i * 11) % 600 + 10);
  }

  std::vector<float> logits(LanguageModel& model, int chunk) const {
    Sequence sequence(model, chunk);
    sequence.assign(tokens_);
    return {sequence.logits().begin(), sequence.logits().end()};
  }

  TempFolder folder_;
  std::vector<int32_t> tokens_;
};

TEST_F(RealWidths, AnyChunkAndNumberOfThreadsGivesTheSameBits) {
  for (const bool exact : {false, true}) {
    const auto one = LanguageModel::load(folder_ / "model", {.exact = exact, .threads = 1});
    const auto two = LanguageModel::load(folder_ / "model", {.exact = exact, .threads = 2});
    const auto expected = logits(*one, 1);  // one row at a time: no strides
    for (const int chunk : {2, 3, 7, 40}) {
      EXPECT_EQ(logits(*one, chunk), expected) << "exact " << exact << " chunk " << chunk;
      EXPECT_EQ(logits(*two, chunk), expected) << "exact " << exact << " chunk " << chunk;
    }
  }
}

TEST_F(RealWidths, CompanyDoesNotChangeABit) {
  const auto model = LanguageModel::load(folder_ / "model", {.threads = 2});
  const auto expected = logits(*model, 512);
  std::vector<KvCache> caches;
  caches.reserve(3);  // segments point to them
  std::vector<int32_t> tokens;
  std::vector<Segment> segments;
  std::vector<int64_t> rows;
  for (int i = 0; i < 3; ++i) {
    caches.push_back(model->make_cache());
    tokens.insert(tokens.end(), tokens_.begin(), tokens_.end());
    segments.push_back({&caches.back(), std::ssize(tokens_)});
    rows.push_back(std::ssize(tokens) - 1);
  }
  std::vector<float> together(3 * expected.size());
  model->forward({tokens, segments, rows}, together);
  for (size_t i = 0; i < 3; ++i) {
    const auto mine = together.begin() + static_cast<int64_t>(i * expected.size());
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), mine)) << i;
  }
}

}  // namespace
}  // namespace octavo
