#include "convert/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/fail.h"
#include "checkpoint/json_file.h"
#include "convert/plan_report.h"

namespace octavo::convert {
namespace {

std::filesystem::path config_path(const std::string& model) {
  return std::filesystem::path(OCTAVO_TESTS_DIR) / "configs" / (model + ".json");
}

std::vector<InventoryTensor> inventory(const std::string& model) {
  return implied_inventory(
      ModelConfig::parse(read_json_file(config_path(model)), config_path(model).string()));
}

ConvertOptions no_flags() {
  ConvertOptions options;
  options.input = "model";
  return options;
}

ConvertOptions flags(const std::string& recipe, std::optional<int> bits, bool mxfp,
                     std::optional<QuantMode> mode = std::nullopt) {
  ConvertOptions options = no_flags();
  options.quantize = true;
  options.recipe = recipe;
  options.bits = bits;
  options.mxfp = mxfp;
  options.mode = mode;
  return options;
}

struct Row {
  const char* name;
  ConvertOptions options;
  uint64_t bytes;
};

/// Every computed size of the 26B-A4B model that flags can reach.
std::vector<Row> rows() {
  return {
      {"unsloth2", flags("unsloth", 2, false), 11051064476},
      {"unsloth3", flags("unsloth", 3, false), 14153710748},
      {"unslothDefault", flags("unsloth", std::nullopt, false), 14153710748},
      {"unsloth4", flags("unsloth", 4, false), 17256357020},
      {"unsloth5", flags("unsloth", 5, false), 20539587740},
      {"unsloth6", flags("unsloth", 6, false), 24435535004},
      {"unsloth8", flags("unsloth", 8, false), 28331887772},
      {"unslothMxfp2", flags("unsloth", 2, true), 11028987036},
      {"unslothMxfp3", flags("unsloth", 3, true), 13910239388},
      {"unslothMxfp4", flags("unsloth", 4, true), 16769414300},
      {"unslothMxfp5", flags("unsloth", 5, true), 20517510300},
      {"unslothMxfp6", flags("unsloth", 6, true), 24169986204},
      {"unslothMxfp8", flags("unsloth", 8, true), 27579396252},
      {"unslothNvfp4", flags("unsloth", std::nullopt, false, QuantMode::kNvfp4), 17257979036},
      {"plainMxfp8", flags("", std::nullopt, false, QuantMode::kMxfp8), 27880370332},
      {"plainMxfp4", flags("", std::nullopt, false, QuantMode::kMxfp4), 15638655132},
      {"plainAffine4", flags("", 4, false), 16402140316},
      {"plainAffine8", flags("", 8, false), 28645477532},
      {"mixed_2_6", flags("mixed_2_6", std::nullopt, false), 12135877788},
      {"mixed_3_4", flags("mixed_3_4", std::nullopt, false), 13805157532},
      {"mixed_3_6", flags("mixed_3_6", std::nullopt, false), 14732860572},
      {"mixed_4_6", flags("mixed_4_6", std::nullopt, false), 17329843356},
      {"bf16", no_flags(), 51611872412},
  };
}

class PlanTotals : public testing::TestWithParam<Row> {};

TEST_P(PlanTotals, MatchTheComputedSize) {
  const Row& row = GetParam();
  check_options(row.options, /*planning=*/true);
  const Plan plan = make_plan(row.options, inventory("gemma-4-26b-a4b-it"));
  EXPECT_EQ(plan.payload_bytes(), row.bytes);
  EXPECT_TRUE(plan.ungroupable().empty());
}

INSTANTIATE_TEST_SUITE_P(Recipes, PlanTotals, testing::ValuesIn(rows()),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Plan, TheCardsCommandGivesTheCardsTable) {
  const Plan plan = make_plan(flags("unsloth", 8, true), inventory("gemma-4-26b-a4b-it"));
  EXPECT_EQ(plan.output_count(), 1372u);
  const auto modules = plan.modules();
  EXPECT_EQ(modules.at(QuantMode::kMxfp8), 265);
  EXPECT_EQ(modules.at(QuantMode::kAffine), 32);
  EXPECT_EQ(modules.size(), 2u);
  EXPECT_EQ(plan.top, (QuantSpec{QuantMode::kAffine, 8, 64}));
  std::map<std::string, std::map<std::string, int>> classes;
  for (const PlannedTensor& planned : plan.tensors) {
    ++classes[planned.tensor_class][describe(planned.spec)];
  }
  using Counts = std::map<std::string, int>;
  EXPECT_EQ(classes["q_proj"], (Counts{{"mxfp8 8/32", 30}}));
  EXPECT_EQ(classes["k_proj"], (Counts{{"mxfp8 8/32", 30}}));
  EXPECT_EQ(classes["v_proj"], (Counts{{"mxfp8 8/32", 25}}));
  EXPECT_EQ(classes["o_proj"], (Counts{{"dense", 30}}));
  EXPECT_EQ(classes["experts.down_proj"], (Counts{{"mxfp8 8/32", 30}}));
  EXPECT_EQ(classes["embed_tokens"], (Counts{{"affine 8/64", 1}}));
  EXPECT_EQ(classes["router.proj"], (Counts{{"affine 8/64", 30}}));
  EXPECT_EQ(classes["vision projection"], (Counts{{"affine 8/64", 1}}));
  EXPECT_EQ(classes["vision tower"], (Counts{{"dense", 355}}));
}

TEST(Plan, CountsOfTensorsMatchTheRealCheckpoints) {
  const auto tensors = inventory("gemma-4-26b-a4b-it");
  EXPECT_EQ(tensors.size(), 1043u);  // the MLX form: each fused gate_up split in two
  std::set<std::string> sources;
  for (const auto& tensor : tensors) sources.insert(tensor.source);
  EXPECT_EQ(sources.size(), 1013u);
}

TEST(Plan, ElementCountsPerDtypeMatchTheHubWidget) {
  const Plan plan = make_plan(flags("unsloth", 8, true), inventory("gemma-4-26b-a4b-it"));
  std::map<Dtype, uint64_t> elements;
  for (const TensorPlan& output : plan.outputs()) {
    elements[output.dtype] += output.bytes() / dtype_size(output.dtype);
  }
  EXPECT_EQ(elements[Dtype::kU32], 6207995904u);
  EXPECT_EQ(elements[Dtype::kU8], 752491520u);
  EXPECT_EQ(elements[Dtype::kBF16], 997460558u);
}

TEST(Plan, TopLevelTripleAlwaysDescribesTensors) {
  for (const Row& row : rows()) {
    if (!row.options.quantize) continue;
    const Plan plan = make_plan(row.options, inventory("gemma-4-26b-a4b-it"));
    const bool used = std::any_of(plan.tensors.begin(), plan.tensors.end(),
                                  [&](const auto& planned) { return planned.spec == plan.top; });
    EXPECT_TRUE(used) << row.name;
  }
}

TEST(Plan, SiblingsHaveTheirOfficialSizes) {
  const auto parameters = [](const std::string& model) {
    uint64_t total = 0;
    for (const auto& tensor : inventory(model)) {
      uint64_t count = 1;
      for (int64_t dim : tensor.shape) count *= dim;
      if (!is_tower_name(tensor.name)) total += count;
    }
    return total;
  };
  EXPECT_EQ(parameters("gemma-4-26b-a4b-it"), 25233141790u);
  EXPECT_EQ(parameters("gemma-4-31b-it"), 30697345340u);
  // Without what layers that share keys and values never use.
  EXPECT_EQ(parameters("gemma-4-e2b-it"), 4628569379u);
  EXPECT_EQ(parameters("gemma-4-e4b-it"), 7463013418u);
}

// Computed by hand from the shapes of all matrices, as those of the 26B-A4B model above.
TEST(Plan, TotalsOfTheSiblings) {
  ConvertOptions mxfp4 = no_flags();
  mxfp4.quantize = true;
  mxfp4.mode = QuantMode::kMxfp4;
  const std::pair<const char*, std::array<uint64_t, 4>> totals[] = {
      {"gemma-4-e2b-it", {9594228166, 5363445190, 3977964998, 6897184198}},
      {"gemma-4-e4b-it", {15264689108, 8471514068, 6115199956, 9549089748}},
      {"gemma-4-31b-it", {62546177752, 35834123992, 25411393240, 19525490392}}};
  for (const auto& [model, bytes] : totals) {
    const auto total = [&](const ConvertOptions& options) {
      return plan_json(make_plan(options, inventory(model)))["payload_bytes"].get<uint64_t>();
    };
    EXPECT_EQ(total(no_flags()), bytes[0]) << model;
    EXPECT_EQ(total(flags("unsloth", 8, true)), bytes[1]) << model;
    EXPECT_EQ(total(flags("unsloth", 4, false)), bytes[2]) << model;
    EXPECT_EQ(total(mxfp4), bytes[3]) << model;
  }
}

TEST(Plan, PerLayerTablesAreEmbeddingsAndPerLayerMatricesStayDense) {
  const Plan plan = make_plan(flags("unsloth", 8, true), inventory("gemma-4-e4b-it"));
  std::map<std::string, int> layers;  // that have the class
  for (const PlannedTensor& planned : plan.tensors) {
    const std::string kind = tensor_class(planned.tensor.name);
    if (kind == "per-layer embeddings") {
      EXPECT_EQ(planned.spec, (QuantSpec{QuantMode::kAffine, 8, 64}));
    } else if (kind == "per-layer inputs") {
      EXPECT_FALSE(planned.spec) << planned.tensor.name;
    }
    ++layers[kind];
  }
  EXPECT_EQ(layers["per-layer embeddings"], 1);
  EXPECT_EQ(layers["per-layer inputs"], 2 * 42 + 1);
  EXPECT_EQ(layers["q_proj"], 42);
  EXPECT_EQ(layers["k_proj"], 24);  // 18 of 42 share
  EXPECT_EQ(layers["v_proj"], 24);
}

TEST(Plan, OddGroupSizesAreReportedAndRefusedForExperts) {
  ConvertOptions options = flags("unsloth", 4, false);
  options.group_size = 128;
  const Plan plan = make_plan(options, inventory("gemma-4-26b-a4b-it"));
  // 704 and 2112 are not multiples of 128: 30 dense and 30 expert down projections.
  EXPECT_EQ(plan.ungroupable().size(), 60u);
  EXPECT_NE(plan_table(plan).find("do not fit affine 5/128"), std::string::npos);
  EXPECT_THROW(check_plan(plan, options), Error);
  options.force = true;
  EXPECT_NO_THROW(check_plan(plan, options));
  options.strict = true;
  EXPECT_THROW(check_plan(plan, options), Error);
}

TEST(Plan, StrictRefusesWhatMxfpCannotReach) {
  for (int bits : {2, 3, 4, 5, 6, 8}) {
    ConvertOptions options = flags("unsloth", bits, true);
    const Plan plan = make_plan(options, inventory("gemma-4-26b-a4b-it"));
    EXPECT_NO_THROW(check_plan(plan, options)) << bits;
    options.strict = true;
    if (bits == 8) {
      EXPECT_NO_THROW(check_plan(plan, options));
    } else {
      EXPECT_THROW(check_plan(plan, options), Error) << bits;
    }
  }
}

TEST(Plan, JsonListsEveryOutputTensor) {
  const Plan plan = make_plan(flags("unsloth", 8, true), inventory("gemma-4-26b-a4b-it"));
  const auto json = plan_json(plan);
  EXPECT_EQ(json["payload_bytes"], 27579396252u);
  EXPECT_EQ(json["tensors"], 1372);
  EXPECT_EQ(json["modules"], (nlohmann::ordered_json{{"affine", 32}, {"mxfp8", 265}}));
  uint64_t bytes = 0;
  std::set<std::string> names;
  for (const auto& entry : json["entries"]) {
    bytes += entry["bytes"].get<uint64_t>();
    names.insert(entry["name"]);
  }
  EXPECT_EQ(bytes, 27579396252u);
  EXPECT_EQ(names.size(), 1372u);
}

}  // namespace
}  // namespace octavo::convert
