#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "run_octavo.h"

namespace octavo::cli {
namespace {

using testing::HasSubstr;

TEST(CompletionTest, EveryShellKnowsTheCommandsAndTheirOptions) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Outcome outcome = run_octavo({"completion", shell});
    EXPECT_EQ(outcome.status, 0);
    for (const char* word : {"convert", "generate", "chat", "bench", "inspect", "max-tokens",
                             "image-tokens", "video"}) {
      EXPECT_THAT(outcome.out, HasSubstr(word)) << shell;
    }
  }
}

TEST(CompletionTest, RefusesOtherShells) {
  EXPECT_EQ(run_octavo({"completion", "cmd"}).status, 2);
  EXPECT_EQ(run_octavo({"completion"}).status, 2);
}

TEST(CompletionTest, BashCompletesWithIt) {
  const std::string file = testing::TempDir() + "octavo_completion.bash";
  std::ofstream(file) << run_octavo({"completion", "bash"}).out;
  const auto completes = [&](const std::string& words, int at, const std::string& expected) {
    const std::string command = "bash -c 'source " + file + " && COMP_WORDS=(" + words +
                                ") COMP_CWORD=" + std::to_string(at) +
                                " && _octavo && [ \"${COMPREPLY[*]}\" = \"" + expected + "\" ]'";
    return std::system(command.c_str()) == 0;
  };
  EXPECT_TRUE(completes("octavo gen", 1, "generate"));
  EXPECT_TRUE(completes("octavo generate --max-t", 2, "--max-tokens"));
  EXPECT_TRUE(completes("octavo chat --ima", 2, "--image --image-tokens"));
  EXPECT_FALSE(completes("octavo generate --max-t", 2, "--temp"));
  std::remove(file.c_str());
}

}  // namespace
}  // namespace octavo::cli
