// Tables to run a test with, and values to run it on.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "emulated.h"
#include "kernels/kernels.h"

namespace octavo {

/// Those of this machine, but not "amx", which is the one after it with matrix tiles.
inline std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (const std::string_view name : available_isas()) {
    if (name != "amx") names.emplace_back(name);
  }
  return names;
}

/// The tables with matrix tiles.
inline std::vector<const Kernels*> tile_tables() {
  std::vector<const Kernels*> tables{&emulated_tiles()};
  for (const std::string_view name : available_isas()) {
    if (kernels_for(name).matmul_tiles != nullptr) tables.push_back(&kernels_for(name));
  }
  return tables;
}

/// isa_names() and the emulated ones, for kernels with register tiles.
inline std::vector<std::string> table_names() {
  std::vector<std::string> names = isa_names();
  for (const Kernels* table : emulated_kernels()) names.emplace_back(table->name);
  return names;
}

/// One of table_names().
inline const Kernels& table_of(std::string_view name) {
  for (const Kernels* table : emulated_kernels()) {
    if (table->name == name) return *table;
  }
  return kernels_for(name);
}

inline std::vector<float> random_values(int64_t n, float spread, unsigned seed = 3) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& x : values) x = normal(rng);
  return values;
}

}  // namespace octavo
