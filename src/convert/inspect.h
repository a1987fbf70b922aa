// convert: what is in a checkpoint: formats, bytes, parameters, geometry, and whether it is sound.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"

namespace octavo::convert {

/// Tensors of one class in one format.
struct InspectLine {
  std::string tensor_class, format;
  int modules = 0;
  uint64_t parameters = 0;
  uint64_t bytes = 0;
};

/// What reading every code of the quantised matrices shows.
struct DeepScan {
  uint64_t invalid_codes = 0;   // E4M3 0x7F and 0xFF among the elements: not a number
  uint64_t invalid_scales = 0;  // E8M0 0xFF; E4M3 0x7F, 0xFF; affine scales and biases: Inf, NaN
  uint64_t mxfp8_groups = 0;
  uint64_t saturated_groups = 0;  // whose largest code is the largest number

  /// Scales rounded up leave 3 to 9 % of the groups saturated, nearest 41 to 71 %.
  double saturated_share() const;
};

struct InspectReport {
  std::filesystem::path folder;
  ModelConfig config;
  size_t shards = 0;
  uint64_t payload_bytes = 0;
  size_t tensors = 0;
  uint64_t text_parameters = 0, tower_parameters = 0;
  uint64_t active_parameters = 0;  // of the text model, per token
  std::vector<InspectLine> lines;
  std::optional<DeepScan> deep;
  std::vector<std::string> notes;     // harmless oddities
  std::vector<std::string> problems;  // what a reader may stumble over
};

/// Throws for what makes the checkpoint unreadable. `deep` reads all weights.
InspectReport inspect(const std::filesystem::path& folder, bool deep, int threads);

std::string inspect_text(const InspectReport& report);
nlohmann::ordered_json inspect_json(const InspectReport& report);

}  // namespace octavo::convert
