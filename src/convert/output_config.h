// convert: config.json of the output.
#pragma once

#include <nlohmann/json.hpp>

#include "convert/plan.h"
#include "convert/source_model.h"

namespace octavo::convert {

/// The source's configuration with sorted keys, without `_name_or_path`, with everything written
/// out that readers guess differently when it is missing, the dtype, the quantization block (and
/// its copy `quantization_config`) and, under "octavo", which recipe of which version made it.
nlohmann::json output_config(const SourceModel& source, const Plan& plan,
                             const ConvertOptions& options, int awq_groups);

}  // namespace octavo::convert
