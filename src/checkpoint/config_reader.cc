#include "checkpoint/config_reader.h"

#include <cmath>
#include <utility>

#include "base/fail.h"

namespace octavo {
namespace {

using nlohmann::json;

// A value from outside for an error line.
std::string shown(const json& value) {
  return printable(value.dump(-1, ' ', true), 60);
}

}  // namespace

ConfigReader::ConfigReader(const nlohmann::json& object, std::string source, std::string prefix)
    : object_(object), source_(std::move(source)), prefix_(std::move(prefix)) {}

std::string ConfigReader::where(std::string_view key) const {
  std::string text = source_ + ": " + prefix_ + printable(key);
  if (key.empty() && text.ends_with('.')) text.pop_back();
  return text;
}

const json* ConfigReader::find(std::string_view key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

const json& ConfigReader::required(std::string_view key) const {
  const json* value = find(key);
  if (value == nullptr) fail(ErrorCode::kBadFile, "{} is missing", where(key));
  return *value;
}

std::optional<ConfigReader> ConfigReader::object(std::string_view key) const {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) fail(ErrorCode::kBadFile, "{} is not an object", where(key));
  return ConfigReader(*value, source_, prefix_ + printable(key) + ".");
}

int64_t ConfigReader::checked(const json& value, std::string_view key, IntRange range) const {
  const bool fits =
      value.is_number_integer() &&
      (!value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX));
  if (!fits || value.get<int64_t>() < range.min || value.get<int64_t>() > range.max) {
    fail(ErrorCode::kBadFile, "{} is {}, expected an integer from {} to {}", where(key),
         shown(value), range.min, range.max);
  }
  return value.get<int64_t>();
}

int64_t ConfigReader::integer(std::string_view key, IntRange range,
                              std::optional<int64_t> fallback) const {
  if (fallback && find(key) == nullptr) return *fallback;
  return checked(required(key), key, range);
}

double ConfigReader::number(std::string_view key, double min, double max,
                            std::optional<double> fallback) const {
  if (fallback && find(key) == nullptr) return *fallback;
  const json& value = required(key);
  const double number = value.is_number() ? value.get<double>() : NAN;
  if (!(number >= min && number <= max)) {
    fail(ErrorCode::kBadFile, "{} is {}, expected a number from {} to {}", where(key), shown(value),
         min, max);
  }
  return number;
}

bool ConfigReader::boolean(std::string_view key, bool fallback) const {
  const json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) {
    fail(ErrorCode::kBadFile, "{} is {}, expected true or false", where(key), shown(*value));
  }
  return value->get<bool>();
}

std::string ConfigReader::string(std::string_view key, std::optional<std::string> fallback) const {
  if (fallback && find(key) == nullptr) return *fallback;
  const json& value = required(key);
  if (!value.is_string()) {
    fail(ErrorCode::kBadFile, "{} is {}, expected a string", where(key), shown(value));
  }
  return value.get<std::string>();
}

void ConfigReader::require(std::string_view key, std::string_view expected) const {
  const std::string value = string(key, std::string(expected));
  if (value == expected) return;
  fail(ErrorCode::kUnsupported, "{} '{}' is not supported; expected {}", where(key),
       printable(value), expected);
}

void ConfigReader::require_false(std::string_view key) const {
  if (boolean(key, false)) fail(ErrorCode::kUnsupported, "{} true is not supported", where(key));
}

std::vector<int64_t> ConfigReader::integers(std::string_view key, IntRange range) const {
  const json* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_array()) return {checked(*value, key, range)};
  std::vector<int64_t> result;
  for (const json& element : *value) result.push_back(checked(element, key, range));
  return result;
}

}  // namespace octavo
