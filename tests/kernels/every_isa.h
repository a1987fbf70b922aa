// Tables to run a test with, and values to run it on.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "emulated.h"
#include "kernels/kernels.h"

namespace octavo {

/// The instruction sets of this CPU, and those emulated.
inline std::vector<const Kernels*> every_table() {
  std::vector<const Kernels*> tables = emulated_kernels();
  for (const std::string_view isa : available_isas()) tables.push_back(&kernels_for(isa));
  return tables;
}

inline std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (const Kernels* table : every_table()) names.emplace_back(table->name);
  return names;
}

/// The table of one of isa_names().
inline const Kernels& table_of(std::string_view name) {
  for (const Kernels* table : every_table()) {
    if (table->name == name) return *table;
  }
  return kernels_for(name);  // says what is wrong
}

inline std::vector<float> random_values(int64_t n, float spread, unsigned seed = 3) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& x : values) x = normal(rng);
  return values;
}

}  // namespace octavo
