// session: tool declarations as callers give them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace octavo {

/// Parses a JSON array of {"type": "function", "function": {"name", ...}} or of bare functions,
/// with control tokens in its texts broken up. Throws kBadRequest naming the entry.
nlohmann::ordered_json parse_tools(std::string_view text);

/// Control tokens in all strings and keys of a value broken up. Recursive: for values whose parser
/// bounded their depth.
nlohmann::ordered_json neutralised(const nlohmann::ordered_json& value);

}  // namespace octavo
