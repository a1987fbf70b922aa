// convert: the input of a conversion: its configuration, and its tensors as far as they are there.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "convert/inventory.h"
#include "convert/options.h"

namespace octavo::convert {

struct SourceModel {
  nlohmann::json config;  // as in the file, with the model type that --model-type asks for
  ModelConfig parsed;
  std::shared_ptr<const Checkpoint> checkpoint;  // null: the configuration alone
  std::vector<InventoryTensor> inventory;
  std::vector<std::string> notes;  // oddities worth a line in the report
};

/// Reads a folder; while `planning`, a bare config.json or a folder without weights will do. Throws
/// for everything that is missing, damaged or already quantised.
SourceModel open_source(const ConvertOptions& options, bool planning);

}  // namespace octavo::convert
