// convert: a plan as a table for people and as JSON for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "convert/plan.h"

namespace octavo::convert {

/// Rules, bytes per tensor class, totals and everything that differs from what was asked for.
std::string plan_table(const Plan& plan);

/// {"payload_bytes", "tensors", "modules": {mode: count}, "entries": [{"name", "dtype", "shape",
/// "mode", "bits", "group_size", "bytes"}], …}; entries are the tensors of the output file.
nlohmann::ordered_json plan_json(const Plan& plan);

}  // namespace octavo::convert
