// `octavo bench`: its runs, its report, its charts, and how it judges the load of the machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/bench_load.h"
#include "cli/bench_plot.h"
#include "cli/bench_report.h"
#include "run_octavo.h"

namespace octavo::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kModel = OCTAVO_SOURCE_DIR "/models/capitals";

std::vector<std::string> bench(std::vector<std::string> more) {
  std::vector<std::string> arguments{"bench", "-m", kModel, "--threads", "1", "--read-mib", "8"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(BenchTest, ReportsTheChatAndTheFixedRuns) {
  const Outcome outcome = run_octavo(bench({"--prefill", "8,16", "--decode", "4", "--depth", "0,10",
                                            "--runs", "2", "--greedy", "--json"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json object = json::parse(outcome.out);
  ASSERT_EQ(object["chat"].size(), 2u);
  const json& turns = object["chat"][0]["turns"];
  ASSERT_EQ(turns.size(), 4u);
  EXPECT_EQ(turns[3]["user"], "Which of those cities is the most populous?");
  EXPECT_EQ(turns[0]["text"], object["chat"][1]["turns"][0]["text"]);
  EXPECT_GT(turns[3]["usage"]["cached_tokens"], 0);
  EXPECT_EQ(object["prefill"].size(), 4u);
  EXPECT_EQ(object["decode"].size(), 2u);
}

TEST(BenchTest, FixedRunsAreComparedWithTheMachine) {
  const Outcome outcome =
      run_octavo(bench({"fixed", "--prefill", "8", "--decode", "4", "--depth", "0,100", "--batch",
                        "1,3", "--runs", "2", "--json", "--profile"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json object = json::parse(outcome.out);
  EXPECT_FALSE(object.contains("chat"));
  EXPECT_NE(object["machine"]["cpu"], "");
  EXPECT_EQ(object["machine"]["threads"], 1);
  const double read = object["read_gbps"]["all"];
  EXPECT_GT(read, 0);
  EXPECT_EQ(object["read_gbps"]["one"], read);
  EXPECT_GT(object["peak_gflops"]["fp32"]["one"], 0);

  ASSERT_EQ(object["decode"].size(), 4u);
  for (const json& run : object["decode"]) {
    EXPECT_EQ(run["runs"].size(), 2u);
    EXPECT_GT(run["min"], 0);
    EXPECT_LE(run["min"], run["tok_s"]);
    EXPECT_LE(run["tok_s"], run["max"]);
    EXPECT_GT(run["ratio"], 0);
    // Tokens per second are steps per second times the batch.
    const double bytes =
        run["weight_bytes_per_step"].get<double>() + run["kv_bytes_per_step"].get<double>();
    EXPECT_NEAR(run["gbps"].get<double>(),
                run["tok_s"].get<double>() / run["batch"].get<double>() * bytes / 1e9,
                1e-6 * run["gbps"].get<double>());
  }
  const json& shallow = object["decode"][0];
  EXPECT_EQ(shallow["weight_bytes_per_step"], object["bytes_per_token"]);
  // Positions 0 to 3 see 2.5 others on average, in 5 sliding and one full layer of 256 bytes each.
  EXPECT_EQ(shallow["kv_bytes_per_step"], 2.5 * 6 * 256);
  const json& deep = object["decode"][3];
  EXPECT_EQ(deep["depth"], 100);
  EXPECT_EQ(deep["batch"], 3);
  EXPECT_EQ(deep["kv_bytes_per_step"], 3 * (32 * 5 + 102.5) * 256);

  const json& prefill = object["prefill"][1];
  EXPECT_EQ(prefill["depth"], 100);
  EXPECT_GT(prefill["gflops"], 0);
  EXPECT_EQ(prefill["ratio"], prefill["ratios"]["fp32"]);
  EXPECT_GT(prefill["attention_gflop"], object["prefill"][0]["attention_gflop"]);

  ASSERT_EQ(object["profile"].size(), 6u);  // 2 prefills, 4 decodes
  for (const json& profile : object["profile"]) {
    double share = 0;
    for (const json& operation : profile["operations"]) share += operation["share"].get<double>();
    EXPECT_NEAR(share, 1, 1e-6);
    EXPECT_GT(profile["seconds"], 0);
  }
  EXPECT_EQ(object["profile"][2]["operations"].back()["op"], "other");
}

TEST(BenchTest, PrintsTables) {
  const Outcome outcome =
      run_octavo(bench({"fixed", "--prefill", "8", "--decode", "4", "--runs", "1", "--profile"}));
  EXPECT_EQ(outcome.status, 0);
  for (const char* text : {"read bandwidth", "Prefill", "Decode", "ratio", "Profile of decoding"}) {
    EXPECT_THAT(outcome.out, HasSubstr(text));
  }
  EXPECT_THAT(outcome.out, Not(HasSubstr("France")));
}

TEST(BenchTest, DrawsSvgAndHtml) {
  const auto folder = std::filesystem::temp_directory_path();
  for (const char* name : {"octavo_bench.svg", "octavo_bench.html"}) {
    const std::filesystem::path path = folder / name;
    const Outcome outcome =
        run_octavo(bench({"fixed", "--prefill", "8", "--decode", "4", "--depth", "0,64", "--batch",
                          "1,2", "--runs", "1", "--plot", path.string()}));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const std::string text = content(path);
    EXPECT_THAT(text, HasSubstr("batch 2"));
    EXPECT_THAT(text, HasSubstr("depth 64"));
    EXPECT_THAT(text, HasSubstr("</svg>"));
    EXPECT_EQ(text.find("<table>") != std::string::npos, path.extension() == ".html");
    std::filesystem::remove(path);
  }
}

TEST(BenchTest, RefusesWhatItCannotDo) {
  const Outcome context = run_octavo(bench({"fixed", "--prefill", "1000000"}));
  EXPECT_EQ(context.status, 1);
  EXPECT_THAT(context.err, HasSubstr("context"));
  const Outcome plot = run_octavo(bench({"fixed", "--plot", "speed.png"}));
  EXPECT_EQ(plot.status, 2);
  EXPECT_THAT(plot.err, HasSubstr(".svg"));
  const Outcome folder = run_octavo(bench(
      {"fixed", "--prefill", "8", "--decode", "2", "--runs", "1", "--plot", "/nowhere/speed.svg"}));
  EXPECT_EQ(folder.status, 1);
  EXPECT_THAT(folder.err, HasSubstr("/nowhere/speed.svg"));
}

TEST(BenchSpread, MedianOfOddAndEvenCounts) {
  EXPECT_EQ(spread_of({3, 1, 2}).median, 2);
  EXPECT_EQ(spread_of({4, 1, 2, 3}).median, 2.5);
  EXPECT_EQ(spread_of({4, 1, 2, 3}).low, 1);
  EXPECT_EQ(spread_of({4, 1, 2, 3}).high, 4);
  EXPECT_EQ(spread_of({}).median, 0);
}

TEST(BenchRates, CountTheWholeBatchOncePerStep) {
  DecodeRun run;
  run.batch = 4;
  run.tok_s = {40, 80};  // 10 and 20 steps
  run.weight_bytes = 1.5e9;
  run.kv_bytes = 0.5e9;
  run.read_gbps = {25, 50};
  EXPECT_THAT(run.gbps(), testing::ElementsAre(20, 40));
  EXPECT_THAT(run.ratios(), testing::ElementsAre(0.8, 0.8));
  PrefillRun prompt;
  prompt.tokens = 100;
  prompt.tok_s = {50};
  prompt.matrix_gflop = 300;
  EXPECT_EQ(prompt.gflops().median, 150);
}

TEST(BenchLoad, CountsBusyTicks) {
  const CpuTicks ticks = parse_cpu_ticks("cpu  10 1 20 1000 100 3 4 5 10 0\ncpu0 1 2 3 4\n");
  EXPECT_EQ(ticks.busy, 10u + 1 + 20 + 3 + 4 + 5);
  EXPECT_EQ(ticks.all, ticks.busy + 1100);
  EXPECT_EQ(parse_cpu_ticks("").all, 0u);
  EXPECT_EQ(parse_cpu_ticks("intr 1 2 3").all, 0u);
}

TEST(BenchLoad, SaysNothingAboutAnInstant) {
  EXPECT_EQ(OtherLoad().share(), std::nullopt);
}

TEST(BenchReportTest, WarnsOfOtherPrograms) {
  BenchReport report;
  report.decode.emplace_back();
  report.decode[0].others = 0.05;
  EXPECT_EQ(warnings(report), "");
  report.decode[0].others = 0.12;
  EXPECT_THAT(warnings(report), HasSubstr("12 %"));
  EXPECT_THAT(warnings(report), HasSubstr("decode"));
}

TEST(BenchPlot, TicksAreRoundAndFew) {
  for (const double top : {0.03, 0.99, 1.0, 7.3, 14.2, 49.0, 51.0, 1234.0}) {
    const double count = top / tick_step(top);
    EXPECT_GE(count, 3.9) << top;
    EXPECT_LE(count, 10) << top;
  }
  EXPECT_EQ(tick_step(14.2), 2.5);
  EXPECT_EQ(tick_step(0), 1);
}

TEST(BenchPlot, PutsPointsWhereTheyBelong) {
  const Chart chart{"C", "x", "y", {{"a<b", {{0, 10, 9, 10}, {1, 5, 5, 5}, {3, 0, 0, 0}}}}};
  const std::string svg = svg_of("T & U", "", {chart});
  EXPECT_THAT(svg, HasSubstr("T &amp; U"));
  EXPECT_THAT(svg, HasSubstr("a&lt;b"));
  // 0, log2(1 + 1) and log2(1 + 3): left, middle, right; 10 at the top, 0 at the bottom.
  EXPECT_THAT(svg, HasSubstr("points=\"70.0,100.0 345.0,235.0 620.0,370.0\""));
}

}  // namespace
}  // namespace octavo::cli
