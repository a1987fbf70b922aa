// cli: a result as the JSON object that scripts read.
#pragma once

#include <nlohmann/json.hpp>

#include "octavo/octavo.h"

namespace octavo::cli {

/// {"text", "reasoning", "tokens", "finish_reason", "usage", "timings", "seed"}, and "tool_calls"
/// and "logprobs" where there are any.
nlohmann::ordered_json to_json(const Result& result, const Model& model);

/// One line; invalid UTF-8 is replaced.
void print_json(const nlohmann::ordered_json& json);

}  // namespace octavo::cli
