// convert: the closing report of a conversion, for people and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "convert/converter.h"

namespace octavo::convert {

/// `verbose` lists every skipped AWQ group and unmatched importance entry instead of counts.
std::string report_text(const ConvertReport& report, bool verbose);

nlohmann::ordered_json report_json(const ConvertReport& report);

}  // namespace octavo::convert
