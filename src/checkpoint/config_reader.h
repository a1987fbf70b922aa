// checkpoint: typed access to one JSON object of a configuration; every error names file and key.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

struct IntRange {
  int64_t min;
  int64_t max;
};

/// A missing key and null mean the same: the default, or an error where none is given.
class ConfigReader {
 public:
  /// `object` must outlive the reader. `prefix` is put before keys in errors ("text_config.").
  ConfigReader(const nlohmann::json& object, std::string source, std::string prefix = "");

  const nlohmann::json* find(std::string_view key) const;  // nullptr if missing or null
  std::optional<ConfigReader> object(std::string_view key) const;

  int64_t integer(std::string_view key, IntRange range,
                  std::optional<int64_t> fallback = std::nullopt) const;
  /// Finite, within [min, max].
  double number(std::string_view key, double min, double max,
                std::optional<double> fallback = std::nullopt) const;
  bool boolean(std::string_view key, bool fallback) const;
  std::string string(std::string_view key,
                     std::optional<std::string> fallback = std::nullopt) const;
  /// One integer or an array of integers; empty if missing.
  std::vector<int64_t> integers(std::string_view key, IntRange range) const;

  /// Throws kUnsupported unless the string is missing or `expected`.
  void require(std::string_view key, std::string_view expected) const;
  /// Throws kUnsupported if the key is true.
  void require_false(std::string_view key) const;

  const nlohmann::json& members() const { return object_; }
  const std::string& source() const { return source_; }
  /// "config.json: text_config.head_dim"; the object itself for an empty key.
  std::string where(std::string_view key) const;

 private:
  const nlohmann::json& required(std::string_view key) const;
  int64_t checked(const nlohmann::json& value, std::string_view key, IntRange range) const;

  const nlohmann::json& object_;
  std::string source_;
  std::string prefix_;
};

}  // namespace octavo
