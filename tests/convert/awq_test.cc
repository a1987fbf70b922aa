#include "convert/awq.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/fail.h"
#include "fixtures.h"

namespace octavo::convert {
namespace {

const std::string kLayer = "language_model.model.layers.";

/// Mean squares 1, 16, 1, 16, …: scales 2^-1, 2^1, ….
Statistics alternating(size_t width, float count = 10, size_t matrices = 1) {
  Statistics entry{.sums = {}, .counts = std::vector<float>(matrices, count)};
  for (size_t i = 0; i < width * matrices; ++i) entry.sums.push_back(count * (i % 2 ? 16.f : 1.f));
  return entry;
}

class Awq : public testing::Test {
 protected:
  Awq() : config_(ModelConfig::parse(tiny_config(), "test")) {}

  AwqPlan plan(const std::map<std::string, Statistics>& entries, AwqMode mode,
               ConvertOptions options = {}) {
    write_file(folder_ / "im.gguf", gguf_imatrix(entries));
    const auto inventory = implied_inventory(config_);
    const Importance importance(folder_ / "im.gguf", inventory, naming_of(config_));
    return plan_awq(make_plan(options, inventory), importance, mode);
  }

  TempFolder folder_;
  ModelConfig config_;
};

TEST(AwqExponents, ArePowersOfTwoCentredOnOne) {
  // sqrt: 1, 4, 16; centre 4.
  EXPECT_EQ(awq_exponents({1, 16, 256}), (std::vector<int8_t>{-2, 0, 2}));
  EXPECT_EQ(awq_exponents({5, 5, 5}), (std::vector<int8_t>{0, 0, 0}));
  // Nothing measured counts as 1e-8, not as zero.
  const auto floored = awq_exponents({0, 1});
  EXPECT_EQ(floored[0], -floored[1]);
  EXPECT_EQ(floored[1], 7);  // log2(sqrt(1e4)) = 6.64
}

TEST_F(Awq, NormFeedsAllReadersOfItsOutput) {
  const AwqPlan awq = plan({{"blk.1.attn_q.weight", alternating(128)}}, AwqMode::kOn);
  EXPECT_EQ(awq.groups, 1);
  EXPECT_EQ(awq.norms, 1);
  ASSERT_EQ(awq.tensors.size(), 4u);
  for (const char* reader : {"q_proj", "k_proj", "v_proj"}) {
    const auto& scaling = awq.tensors.at(kLayer + "1.self_attn." + reader + ".weight");
    EXPECT_EQ(scaling.columns[0], -1);
    EXPECT_EQ(scaling.columns[1], 1);
    EXPECT_TRUE(scaling.rows.empty());
  }
  const auto& norm = awq.tensors.at(kLayer + "1.input_layernorm.weight");
  EXPECT_EQ(norm.columns[0], 1);
  EXPECT_EQ(norm.columns[1], -1);
}

TEST_F(Awq, LayersWhoseValuesAreTheirKeysScaleQAndK) {
  const AwqPlan awq = plan({{"blk.5.attn_k.weight", alternating(128)}}, AwqMode::kOn);
  EXPECT_EQ(awq.groups, 1);
  EXPECT_EQ(awq.tensors.size(), 3u);  // norm, q, k
}

TEST_F(Awq, UpCarriesColumnsOfItsNormAndRowsOfDown) {
  const AwqPlan awq = plan(
      {{"blk.0.ffn_gate.weight", alternating(128)}, {"blk.0.ffn_down.weight", alternating(192)}},
      AwqMode::kOn);
  EXPECT_EQ(awq.groups, 2);
  EXPECT_EQ(awq.norms, 1);
  const auto& up = awq.tensors.at(kLayer + "0.mlp.up_proj.weight");
  EXPECT_EQ(up.columns.size(), 128u);
  ASSERT_EQ(up.rows.size(), 192u);
  EXPECT_EQ(up.rows[0], 1);  // the inverse of down's column
  EXPECT_EQ(awq.tensors.at(kLayer + "0.mlp.down_proj.weight").columns[0], -1);
  EXPECT_TRUE(awq.tensors.at(kLayer + "0.mlp.gate_proj.weight").rows.empty());
}

TEST_F(Awq, ExpertsShareTheirNormsScaleAndHaveTheirOwnInside) {
  Statistics down = alternating(64, 10, 4);
  down.counts[2] = 0;  // this expert was never chosen
  std::fill(down.sums.begin() + 2 * 64, down.sums.begin() + 3 * 64, 0.f);
  for (size_t j = 0; j < 64; ++j) down.sums[3 * 64 + j] = j % 2 ? 10.f : 160.f;  // the other way
  Statistics fused = alternating(128, 10, 4);
  const AwqPlan awq =
      plan({{"blk.0.ffn_gate_up_exps.weight", fused}, {"blk.0.ffn_down_exps.weight", down}},
           AwqMode::kOn);
  EXPECT_EQ(awq.groups, 2);
  const std::string stack = kLayer + "0.experts.switch_glu.";
  EXPECT_EQ(awq.tensors.at(stack + "gate_proj.weight").columns.size(), 128u);
  const auto& columns = awq.tensors.at(stack + "down_proj.weight").columns;
  ASSERT_EQ(columns.size(), 4u * 64);
  EXPECT_EQ(columns[0], -1);
  EXPECT_EQ(columns[2 * 64], 0);  // no data: left alone
  EXPECT_EQ(columns[3 * 64], 1);
  const auto& up = awq.tensors.at(stack + "up_proj.weight");
  EXPECT_EQ(up.columns.size(), 128u);
  for (size_t i = 0; i < columns.size(); ++i) EXPECT_EQ(up.rows[i], -columns[i]);
}

TEST_F(Awq, MergedStatisticsWeighExpertsByTheirTokens) {
  Statistics fused;
  fused.counts = {30, 0, 0, 10};
  fused.sums.assign(4 * 128, 0);
  for (size_t j = 0; j < 128; ++j) {
    fused.sums[j] = j == 0 ? 630 : 30;           // mean 21 in column 0, 1 elsewhere
    fused.sums[3 * 128 + j] = j == 0 ? 10 : 10;  // mean 1
  }
  const AwqPlan awq = plan({{"blk.0.ffn_gate_up_exps.weight", fused}}, AwqMode::kOn);
  // (630 + 10) / 40 = 16 against 1: exponents +1 and -1.
  const auto& columns = awq.tensors.at(kLayer + "0.experts.switch_glu.gate_proj.weight").columns;
  EXPECT_EQ(columns[0], 1);
  EXPECT_EQ(columns[1], -1);
}

TEST_F(Awq, AutoTouchesIntegerFormatsOnly) {
  const std::map<std::string, Statistics> entries = {{"blk.0.attn_q.weight", alternating(128)},
                                                     {"blk.0.ffn_gate.weight", alternating(128)}};
  ConvertOptions options;
  options.quantize = true;
  options.bits = 4;
  options.recipe = "unsloth";
  EXPECT_EQ(plan(entries, AwqMode::kAuto, options).groups, 2);
  options.mxfp = true;  // gate and up become mxfp4, q/k/v stay affine 6
  const AwqPlan mixed = plan(entries, AwqMode::kAuto, options);
  EXPECT_EQ(mixed.groups, 1);
  EXPECT_TRUE(mixed.tensors.contains(kLayer + "0.input_layernorm.weight"));
  const bool told = std::any_of(mixed.skipped.begin(), mixed.skipped.end(), [](const auto& skip) {
    return skip.reason.find("mxfp4") != std::string::npos;
  });
  EXPECT_TRUE(told);
  EXPECT_EQ(plan(entries, AwqMode::kAuto).groups, 0);  // nothing is quantised
  EXPECT_EQ(plan(entries, AwqMode::kOff, options).groups, 0);
}

TEST_F(Awq, AutoDividesNoRowsOfNvfp4) {
  ConvertOptions options;
  options.quantize = true;
  options.mode = QuantMode::kNvfp4;
  options.recipe = "unsloth";  // up becomes nvfp4, down affine
  const std::map<std::string, Statistics> entries = {{"blk.0.ffn_down.weight", alternating(192)}};
  const AwqPlan awq = plan(entries, AwqMode::kAuto, options);
  EXPECT_EQ(awq.groups, 0);
  EXPECT_TRUE(awq.tensors.empty());
  EXPECT_EQ(plan(entries, AwqMode::kOn, options).groups, 1);
}

TEST_F(Awq, OutputProjectionAndRouterAreNeverTouched) {
  const AwqPlan awq = plan({{"blk.0.attn_output.weight", alternating(128)},
                            {"blk.0.ffn_gate_inp.weight", alternating(128)}},
                           AwqMode::kOn);
  EXPECT_EQ(awq.groups, 0);
  EXPECT_TRUE(awq.tensors.empty());
}

TEST_F(Awq, ForeignImportanceMatricesAreRefused) {
  EXPECT_THROW(plan({{"blk.0.attn_q.weight", alternating(96)}}, AwqMode::kOn), Error);
  EXPECT_THROW(plan({{"blk.0.ffn_down_exps.weight", alternating(64, 10, 3)}}, AwqMode::kOn), Error);
}

TEST(Imatrix, EntriesWithoutATensorAreReported) {
  TempFolder folder;
  write_file(folder / "im.gguf", gguf_imatrix({{"blk.0.attn_q.weight", alternating(128)},
                                               {"blk.99.attn_q.weight", alternating(128)},
                                               {"blk.0.ssm_in.weight", alternating(128)}}));
  const ModelConfig config = ModelConfig::parse(tiny_config(), "test");
  const Importance importance(folder / "im.gguf", implied_inventory(config), naming_of(config));
  EXPECT_EQ(importance.matched(), 1u);
  EXPECT_EQ(importance.unmatched(), (std::vector<std::string>{"blk.0.ssm_in", "blk.99.attn_q"}));
  EXPECT_NE(importance.find(kLayer + "0.self_attn.q_proj.weight"), nullptr);
  EXPECT_EQ(importance.find(kLayer + "0.self_attn.k_proj.weight"), nullptr);
}

TEST(Imatrix, DamagedFilesAreRefused) {
  TempFolder folder;
  const auto read = [&](const std::string& bytes) {
    write_file(folder / "im.gguf_file", bytes);
    return read_imatrix(folder / "im.gguf_file");
  };
  Statistics good = alternating(32);
  EXPECT_EQ(read(gguf_imatrix({{"blk.0.attn_q.weight", good}})).size(), 1u);
  EXPECT_THROW(read(gguf_imatrix({{"blk.0.attn_q.weight", good}}, "model")), Error);
  EXPECT_THROW(read(gguf_imatrix({})), Error);
  for (float bad :
       {-1.f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Statistics sums = good, counts = good;
    sums.sums[5] = bad;
    counts.counts[0] = bad;
    EXPECT_THROW(read(gguf_imatrix({{"blk.0.attn_q.weight", sums}})), Error) << bad;
    EXPECT_THROW(read(gguf_imatrix({{"blk.0.attn_q.weight", counts}})), Error) << bad;
  }
}

std::string dat_imatrix(const std::string& name, int32_t calls, const std::vector<float>& values) {
  std::string bytes;
  const auto append = [&](int32_t value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  append(1);
  append(static_cast<int32_t>(name.size()));
  bytes += name;
  append(calls);
  append(static_cast<int32_t>(values.size()));
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return bytes;
}

TEST(Imatrix, LegacyFormHoldsMeansTimesCalls) {
  TempFolder folder;
  const std::string bytes = dat_imatrix("blk.0.attn_q.weight", 4, {4, 8, 12});
  write_file(folder / "im.dat", bytes);
  const auto entries = read_imatrix(folder / "im.dat");
  const ImatrixEntry& entry = entries.at("blk.0.attn_q");
  EXPECT_EQ(entry.sums, (std::vector<float>{4, 8, 12}));
  EXPECT_EQ(entry.counts, (std::vector<float>{4}));
  for (size_t size = 0; size < bytes.size(); ++size) {
    write_file(folder / "im.dat", bytes.substr(0, size));
    EXPECT_THROW(read_imatrix(folder / "im.dat"), Error) << size;
  }
}

}  // namespace
}  // namespace octavo::convert
