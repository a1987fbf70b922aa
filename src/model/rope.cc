#include "model/rope.h"

#include <cmath>

namespace octavo {

std::vector<float> rope_frequencies(const RopeConfig& config, int64_t head_dim) {
  std::vector<float> frequencies(static_cast<size_t>(head_dim / 2), 0.0f);
  const auto rotating = static_cast<int64_t>(
      std::floor(config.partial_rotary_factor * static_cast<double>(head_dim) / 2));
  for (int64_t i = 0; i < rotating; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(head_dim);
    frequencies[i] = static_cast<float>(std::pow(config.theta, exponent) / config.factor);
  }
  return frequencies;
}

RopeTable rope_table(std::span<const float> frequencies, std::span<const int64_t> positions) {
  RopeTable table{Tensor(std::ssize(positions), std::ssize(frequencies)),
                  Tensor(std::ssize(positions), std::ssize(frequencies))};
  for (int64_t t = 0; t < std::ssize(positions); ++t) {
    const auto position = static_cast<float>(positions[t]);
    for (size_t i = 0; i < frequencies.size(); ++i) {
      const float angle = position * frequencies[i];
      table.cos.row(t)[i] = std::cos(angle);
      table.sin.row(t)[i] = std::sin(angle);
    }
  }
  return table;
}

}  // namespace octavo
