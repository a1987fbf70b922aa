#include "session/tools.h"

#include "base/fail.h"
#include "text/chat_template.h"

namespace octavo {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxToolBytes = size_t{4} << 20;
constexpr int kMaxDepth = 64;

/// Refuses deep nesting while parsing, before anything recursive touches the value.
Json parse(std::string_view text) {
  bool too_deep = false;
  const auto watch = [&](int depth, Json::parse_event_t, Json&) {
    too_deep |= depth > kMaxDepth;
    return !too_deep;
  };
  Json value = Json::parse(text, watch, /*allow_exceptions=*/false);
  if (too_deep) fail(ErrorCode::kBadRequest, "tools: nested deeper than {} levels", kMaxDepth);
  if (value.is_discarded()) fail(ErrorCode::kBadRequest, "tools: not valid JSON");
  return value;
}

void check_tool(const Json& tool, size_t index) {
  const Json* function = &tool;
  if (tool.is_object() && tool.contains("function")) function = &tool["function"];
  if (!function->is_object()) {
    fail(ErrorCode::kBadRequest, "tools[{}]: must be an object with a function", index);
  }
  const auto name = function->find("name");
  if (name == function->end() || !name->is_string() ||
      name->get_ref<const std::string&>().empty()) {
    fail(ErrorCode::kBadRequest, "tools[{}]: name must be a non-empty string", index);
  }
  const auto parameters = function->find("parameters");
  if (parameters != function->end() && !parameters->is_null() && !parameters->is_object()) {
    fail(ErrorCode::kBadRequest, "tools[{}]: parameters must be a JSON schema object", index);
  }
}

}  // namespace

Json neutralised(const Json& value) {
  if (value.is_string()) return neutralise_control_tokens(value.get_ref<const std::string&>());
  if (value.is_array()) {
    Json array = Json::array();
    for (const Json& item : value) array.push_back(neutralised(item));
    return array;
  }
  if (!value.is_object()) return value;
  Json object = Json::object();
  for (const auto& [key, item] : value.items()) {
    object[neutralise_control_tokens(key)] = neutralised(item);
  }
  return object;
}

Json parse_tools(std::string_view text) {
  if (text.size() > kMaxToolBytes) {
    fail(ErrorCode::kBadRequest, "tools: {} bytes, expected at most {}", text.size(),
         kMaxToolBytes);
  }
  const Json tools = parse(text);
  if (!tools.is_array()) fail(ErrorCode::kBadRequest, "tools: must be a JSON array");
  for (size_t i = 0; i < tools.size(); ++i) check_tool(tools[i], i);
  return neutralised(tools);
}

}  // namespace octavo
