// Names of the instruction sets to run a test with, and values to run it on.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace octavo {

inline std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (const std::string_view name : available_isas()) names.emplace_back(name);
  return names;
}

inline std::vector<float> random_values(int64_t n, float spread, unsigned seed = 3) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& x : values) x = normal(rng);
  return values;
}

}  // namespace octavo
