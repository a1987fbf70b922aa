#include "checkpoint/processor_config.h"

#include <algorithm>

#include "base/fail.h"
#include "checkpoint/config_reader.h"
#include "checkpoint/json_file.h"

namespace octavo {
namespace {

constexpr IntRange kTokens{1, 1 << 20};

using Budgets = std::span<const int64_t>;

std::optional<int64_t> tokens_in(const ConfigReader& object, std::string_view key,
                                 Budgets budgets) {
  if (object.find(key) == nullptr) return std::nullopt;
  const int64_t tokens = object.integer(key, kTokens);
  if (std::ranges::find(budgets, tokens) == budgets.end()) {
    fail(ErrorCode::kBadFile, "{} is {}, expected {}", object.where(key), tokens,
         fmt::join(budgets, ", "));
  }
  return tokens;
}

nlohmann::json read_object(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return nlohmann::json::object();
  nlohmann::json root = read_json_file(file);
  if (!root.is_object()) fail(ErrorCode::kBadFile, "{}: not a JSON object", file.string());
  return root;
}

std::optional<int64_t> of_processor(const std::filesystem::path& file, Budgets budgets) {
  const nlohmann::json root = read_object(file);
  const ConfigReader processor(root, file.string());
  if (const auto images = processor.object("image_processor")) {
    if (const auto tokens = tokens_in(*images, "max_soft_tokens", budgets)) return tokens;
  }
  return tokens_in(processor, "max_soft_tokens", budgets);
}

}  // namespace

std::optional<int64_t> read_image_tokens(const std::filesystem::path& folder, Budgets budgets) {
  for (const char* name : {"processor_config.json", "preprocessor_config.json"}) {
    if (const auto tokens = of_processor(folder / name, budgets)) return tokens;
  }
  const auto file = folder / "config.json";
  const nlohmann::json root = read_object(file);
  return tokens_in(ConfigReader(root, file.string()), "vision_soft_tokens_per_image", budgets);
}

}  // namespace octavo
