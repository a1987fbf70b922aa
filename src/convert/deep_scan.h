// convert: reads every scale of a quantised matrix, and every code that may be no number.
#pragma once

#include "convert/inspect.h"
#include "numerics/quant_spec.h"

namespace octavo::convert {

/// Scans one module (a name without ".weight").
DeepScan scan_module(const Checkpoint& checkpoint, const std::string& module,
                     const QuantSpec& spec);

}  // namespace octavo::convert
