// checkpoint: which modules of a checkpoint are quantised and how, checked against their tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"

namespace octavo {

/// How `<module>.weight` is stored; nullopt if it is not quantised (no `<module>.scales`). An
/// override of the configuration decides; without one the triple is inferred from shapes and the
/// dtype of the scales, the top-level triple being preferred where it fits. `in_features` (0 =
/// unknown) is checked, and settles what shapes alone leave open.
///
/// Throws kBadFile naming the tensor: scales missing or of wrong shape or dtype, biases in a float
/// mode, no biases in affine; kUnsupported for global scales.
std::optional<QuantSpec> quant_spec_of(const Checkpoint& checkpoint, const ModelConfig& config,
                                       std::string_view module, int64_t in_features = 0);

/// Runs quant_spec_of on every module that has scales. Returns the overrides that name no module of
/// the checkpoint: harmless to read, a fault in a file just written.
std::vector<std::string> check_quantised_layout(const Checkpoint& checkpoint,
                                                const ModelConfig& config);

}  // namespace octavo
