// Reader of the golden files that tools/goldens/numerics.py writes (layout: see there).
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "numerics/quant_spec.h"

namespace octavo::test {

struct Golden {
  int64_t rows = 0;
  int64_t in = 0;
  nlohmann::json header;
  std::map<std::string, std::vector<uint8_t>> arrays;

  QuantSpec spec() const {
    return {parse_quant_mode(header.at("mode").get<std::string>()).value(), header.at("bits"),
            header.at("group_size")};
  }

  template <typename T>
  std::vector<T> as(const std::string& name) const {
    const auto& bytes = arrays.at(name);
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
    return values;
  }

  /// Empty if the file has no such array.
  std::vector<uint8_t> bytes(const std::string& name) const {
    const auto found = arrays.find(name);
    return found == arrays.end() ? std::vector<uint8_t>{} : found->second;
  }
};

inline Golden read_golden(const std::string& name) {
  const std::string path = std::string(OCTAVO_TESTS_DIR) + "/goldens/numerics/" + name + ".golden";
  std::ifstream file(path, std::ios::binary);
  std::string line;
  if (!std::getline(file, line)) throw std::runtime_error("cannot read " + path);
  Golden golden;
  golden.header = nlohmann::json::parse(line);
  golden.rows = golden.header.at("rows");
  golden.in = golden.header.at("in");
  for (const auto& entry : golden.header.at("arrays")) {
    std::vector<uint8_t> bytes(entry.at(1).get<size_t>());
    file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!file) throw std::runtime_error(path + ": too short");
    golden.arrays[entry.at(0)] = std::move(bytes);
  }
  return golden;
}

}  // namespace octavo::test
