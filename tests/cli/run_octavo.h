// Runs the program's commands inside the test and catches what they print.
#pragma once

#include <string>
#include <vector>

namespace octavo::cli {

struct Outcome {
  int status;
  std::string out, err;
};

/// `input` is what the command reads from standard input.
Outcome run_octavo(std::vector<std::string> arguments, const std::string& input = "");

}  // namespace octavo::cli
