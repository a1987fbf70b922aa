// checkpoint: the `quantization` block of config.json: module path -> how its matrix is stored.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "numerics/quant_spec.h"

namespace octavo {

struct QuantizationConfig {
  QuantSpec top;
  std::map<std::string, std::optional<QuantSpec>, std::less<>> overrides;  // nullopt = `false`

  /// The override for a module, whatever text prefix (`language_model.model.`, `model.`, ...)
  /// either side uses; nullptr if there is none.
  const std::optional<QuantSpec>* find(std::string_view module) const;

  /// Reads `quantization`, or `quantization_config` where that has the same shape; nullopt if there
  /// is neither. Absent or null values of an override mean the mode's own; an absent mode means
  /// affine. Throws kBadFile naming `source` and the module, kUnsupported for other quantisation
  /// methods.
  static std::optional<QuantizationConfig> parse(const nlohmann::json& config,
                                                 const std::string& source);
};

}  // namespace octavo
