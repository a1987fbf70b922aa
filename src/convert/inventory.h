// convert: which tensors a checkpoint has: those that its configuration implies, and those that are
// really there, both under their output names.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"
#include "convert/names.h"

namespace octavo::convert {

/// Axis order: convolutions of the audio tower are channels-last in MLX.
enum class Reorder { kNone, kChannelsLast };

struct InventoryTensor {
  std::string source;  // name in the input
  Part part = Part::kWhole;
  Reorder reorder = Reorder::kNone;
  std::string name;  // name in the output
  Dtype dtype = Dtype::kBF16;
  std::vector<int64_t> shape;  // of the output tensor, unpacked
};

Naming naming_of(const ModelConfig& config);

/// What `config` implies, sorted by name. Audio towers are not included: their shapes are in no
/// configuration.
std::vector<InventoryTensor> implied_inventory(const ModelConfig& config);

/// The tensors of `checkpoint`, sorted by name. Throws kBadFile if one that `config` implies is
/// missing or has another shape (vision may be missing altogether), kUnsupported if the checkpoint
/// is already quantised.
std::vector<InventoryTensor> actual_inventory(const Checkpoint& checkpoint,
                                              const ModelConfig& config);

/// Names in `actual` that `implied` does not know.
std::vector<std::string> unexpected_names(const std::vector<InventoryTensor>& actual,
                                          const std::vector<InventoryTensor>& implied);

}  // namespace octavo::convert
