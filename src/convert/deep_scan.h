// convert: reads every code of a quantised matrix.
#pragma once

#include "convert/inspect.h"
#include "numerics/quant_spec.h"

namespace octavo::convert {

/// Scans one module (a name without ".weight").
DeepScan scan_module(const Checkpoint& checkpoint, const std::string& module,
                     const QuantSpec& spec);

}  // namespace octavo::convert
