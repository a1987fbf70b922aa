#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "cli/cli.h"

namespace octavo::cli {
namespace {

const std::string kConfig = std::string(OCTAVO_TESTS_DIR) + "/configs/gemma-4-26b-a4b-it.json";

struct Outcome {
  int code;
  std::string out, err;
};

Outcome run_with(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "octavo");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = run(static_cast<int>(argv.size()), argv.data());
  std::fflush(stdout);
  return {code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

TEST(ConvertCommand, PlansTheCardsCommand) {
  const Outcome outcome =
      run_with({"convert", "--plan", "--json", "-i", kConfig, "-o", "unused", "-q", "--q-bits", "8",
                "--q-mxfp", "--q-recipe", "unsloth", "--imatrix-path", "imatrix_unsloth.gguf"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("\"payload_bytes\": 27579396252"), std::string::npos);
  EXPECT_NE(outcome.out.find("\"refused\": null"), std::string::npos);
}

TEST(ConvertCommand, APlanSaysWhatAConversionWouldRefuse) {
  const Outcome two_bits = run_with(
      {"convert", "--plan", "-i", kConfig, "-q", "--q-bits", "2", "--q-recipe", "unsloth"});
  EXPECT_EQ(two_bits.code, 0) << two_bits.err;
  EXPECT_NE(two_bits.out.find("note: convert refuses this: 2 bits"), std::string::npos);
  // 704, the experts' width, cannot be cut into groups of 128.
  const Outcome dense_experts = run_with(
      {"convert", "--plan", "-i", kConfig, "-q", "--q-bits", "8", "--q-group-size", "128"});
  EXPECT_EQ(dense_experts.code, 0) << dense_experts.err;
  EXPECT_NE(dense_experts.out.find("note: convert refuses this: "), std::string::npos);
}

TEST(ConvertCommand, WrongUsageExitsWithTwoAndOneLine) {
  const std::vector<std::vector<std::string>> wrong = {
      {"convert"},
      {"convert", "-i", "in"},
      {"convert", "-i", "in", "-o", "out", "--q-mxfp"},
      {"convert", "-i", "in", "-o", "out", "-q", "--q-scale", "search"},
      {"convert", "-i", "in", "-o", "out", "-q", "--q-rounding", "feedback"},
      {"convert", "-i", "in", "-o", "out", "-q", "--q-mode", "sym8"},
      {"convert", "-i", "in", "-o", "out", "-q", "--q-mode", "int9"},
      {"convert", "-i", "in", "-o", "out", "-q", "--q-bits", "four"},
      {"convert", "-i", "in", "-o", "out", "-q", "--q-bits", "0"},
      {"convert", "-i", "in", "-o", "out", "--dtype", "int8"},
      {"convert", "-i", "in", "-o", "out", "--awq", "maybe"},
      {"convert", "-i", "in.gguf", "-o", "out"},
      {"convert", "-i", "in", "-o", "out", "--gguf-kquant"},
      {"convert", "-i", "in", "-o", "out", "--mmproj", "x.gguf"},
      {"unknown"},
  };
  for (const auto& arguments : wrong) {
    const Outcome outcome = run_with(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments.back();
    EXPECT_TRUE(outcome.err.starts_with("octavo: error: ")) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
}

TEST(ConvertCommand, ErrorsExitWithOne) {
  const Outcome outcome = run_with({"convert", "-i", "/nonexistent/model", "-o", "/tmp/unused"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("/nonexistent/model"), std::string::npos);
}

TEST(ConvertCommand, HelpShowsExamples) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"convert", "--help"}, {"inspect", "--help"}}) {
    const Outcome outcome = run_with(arguments);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_NE(outcome.out.find("Example"), std::string::npos);
  }
  EXPECT_EQ(run_with({"--version"}).out.substr(0, 7), "octavo ");
}

}  // namespace
}  // namespace octavo::cli
