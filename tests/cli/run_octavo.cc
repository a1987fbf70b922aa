#include "run_octavo.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <iostream>
#include <sstream>

#include "cli/cli.h"

namespace octavo::cli {

Outcome run_octavo(std::vector<std::string> arguments, const std::string& input) {
  arguments.insert(arguments.begin(), "octavo");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  std::istringstream stream(input);
  std::streambuf* before = std::cin.rdbuf(stream.rdbuf());
  std::cin.clear();
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int status = run(static_cast<int>(argv.size()), argv.data());
  std::cin.rdbuf(before);
  std::fflush(stdout);
  std::string out = testing::internal::GetCapturedStdout();
  return {status, out, testing::internal::GetCapturedStderr()};
}

}  // namespace octavo::cli
