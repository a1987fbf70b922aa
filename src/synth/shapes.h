// synth: config.json of the Gemma 4 family, and of their shortened copies.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace octavo::synth {

/// Text configuration of a member of the family, spelled as in its config.json, without the towers:
/// "26b-a4b", "31b", "e2b" or "e4b". Throws kBadRequest for other names.
nlohmann::json config_like(std::string_view name);

/// Takes the towers and every trace of quantisation out of a configuration.
void strip_config(nlohmann::json& config);

/// Keeps the first `layers` layers with their attention types. `source` names the configuration in
/// errors. The last layer becomes a full one, which readers take it for anyway; layers that reuse
/// older keys and values stay those from the same index on. Throws kBadRequest if there are fewer.
void keep_layers(nlohmann::json& config, int64_t layers, const std::string& source);

}  // namespace octavo::synth
