#include "checkpoint/processor_config.h"

#include "base/fail.h"
#include "checkpoint/config_reader.h"
#include "checkpoint/json_file.h"

namespace octavo {
namespace {

constexpr IntRange kTokens{1, 1 << 20};

std::optional<int64_t> tokens_in(const ConfigReader& object, std::string_view key) {
  if (object.find(key) == nullptr) return std::nullopt;
  return object.integer(key, kTokens);
}

nlohmann::json read_object(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return nlohmann::json::object();
  nlohmann::json root = read_json_file(file);
  if (!root.is_object()) fail(ErrorCode::kBadFile, "{}: not a JSON object", file.string());
  return root;
}

std::optional<int64_t> of_processor(const std::filesystem::path& file) {
  const nlohmann::json root = read_object(file);
  const ConfigReader processor(root, file.string());
  if (const auto images = processor.object("image_processor")) {
    if (const auto tokens = tokens_in(*images, "max_soft_tokens")) return tokens;
  }
  return tokens_in(processor, "max_soft_tokens");
}

}  // namespace

std::optional<int64_t> read_image_tokens(const std::filesystem::path& folder) {
  for (const char* name : {"processor_config.json", "preprocessor_config.json"}) {
    if (const auto tokens = of_processor(folder / name)) return tokens;
  }
  const auto file = folder / "config.json";
  const nlohmann::json root = read_object(file);
  return tokens_in(ConfigReader(root, file.string()), "vision_soft_tokens_per_image");
}

}  // namespace octavo
