#include "checkpoint/quantization_config.h"

#include <array>

#include "base/fail.h"
#include "checkpoint/config_reader.h"

namespace octavo {
namespace {

using nlohmann::json;

constexpr IntRange kAnySmall{0, 1 << 20};  // validate() says which values exist

QuantMode parse_mode(const ConfigReader& reader) {
  const std::string text = reader.string("mode", "affine");
  const auto mode = parse_quant_mode(text);
  if (!mode) {
    fail(ErrorCode::kBadFile, "{} is '{}', expected affine, mxfp4, mxfp8 or nvfp4",
         reader.where("mode"), printable(text));
  }
  return *mode;
}

// {bits, group_size, mode} of the block itself or of one override.
QuantSpec parse_spec(const ConfigReader& reader) {
  const QuantMode mode = parse_mode(reader);
  QuantSpec spec = default_spec(mode);
  spec.bits = static_cast<int>(reader.integer("bits", kAnySmall, spec.bits));
  spec.group_size = static_cast<int>(reader.integer("group_size", kAnySmall, spec.group_size));
  try {
    validate(spec);
  } catch (const Error& error) {
    fail(ErrorCode::kBadFile, "{}: {}", reader.where(""), error.what());
  }
  return spec;
}

void check_override_keys(const ConfigReader& reader) {
  for (const auto& [key, value] : reader.members().items()) {
    if (key != "bits" && key != "group_size" && key != "mode") {
      fail(ErrorCode::kUnsupported, "{} is not supported in an override", reader.where(key));
    }
  }
}

const char* block_name(const json& config, const std::string& source) {
  const ConfigReader root(config, source);
  if (root.find("quantization") != nullptr) return "quantization";
  const auto block = root.object("quantization_config");
  if (!block) return nullptr;
  if (const json* method = block->find("quant_method"); method != nullptr) {
    fail(ErrorCode::kUnsupported, "{} {} is not supported; expected an MLX quantization block",
         block->where("quant_method"), printable(method->dump(-1, ' ', true), 60));
  }
  return "quantization_config";
}

constexpr std::array<std::string_view, 4> kTextPrefixes{
    "language_model.model.", "model.language_model.", "language_model.", "model."};

std::string_view without_prefix(std::string_view module) {
  for (std::string_view prefix : kTextPrefixes) {
    if (module.starts_with(prefix)) return module.substr(prefix.size());
  }
  return module;
}

}  // namespace

const std::optional<QuantSpec>* QuantizationConfig::find(std::string_view module) const {
  if (const auto exact = overrides.find(module); exact != overrides.end()) return &exact->second;
  const std::string_view bare = without_prefix(module);
  if (const auto found = overrides.find(bare); found != overrides.end()) return &found->second;
  for (std::string_view prefix : kTextPrefixes) {
    const auto found = overrides.find(std::string(prefix).append(bare));
    if (found != overrides.end()) return &found->second;
  }
  return nullptr;
}

std::optional<QuantizationConfig> QuantizationConfig::parse(const json& config,
                                                            const std::string& source) {
  const char* name = block_name(config, source);
  if (name == nullptr) return std::nullopt;
  const ConfigReader block = *ConfigReader(config, source).object(name);
  if (block.find("bits") == nullptr)
    fail(ErrorCode::kBadFile, "{} is missing", block.where("bits"));
  if (!block.members().contains("group_size")) {
    fail(ErrorCode::kBadFile, "{} is missing", block.where("group_size"));
  }
  QuantizationConfig result;
  result.top = parse_spec(block);
  for (const auto& [module, value] : block.members().items()) {
    if (value.is_boolean()) {
      result.overrides[module] = value.get<bool>() ? std::optional(result.top) : std::nullopt;
    } else if (value.is_object()) {
      const ConfigReader entry = *block.object(module);
      check_override_keys(entry);
      result.overrides[module] = parse_spec(entry);
    }
    // Other scalars and lists belong to tools that know them.
  }
  return result;
}

}  // namespace octavo
