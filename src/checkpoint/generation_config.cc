#include "checkpoint/generation_config.h"

#include "base/fail.h"
#include "checkpoint/config_reader.h"
#include "checkpoint/json_file.h"

namespace octavo {

GenerationConfig read_generation_config(const std::filesystem::path& folder) {
  const auto path = folder / "generation_config.json";
  if (!std::filesystem::exists(path)) return {};
  const nlohmann::json root = read_json_file(path);
  if (!root.is_object()) fail(ErrorCode::kBadFile, "{}: not a JSON object", path.string());
  const ConfigReader reader(root, path.string());
  GenerationConfig config;
  for (int64_t id : reader.integers("eos_token_id", {0, INT32_MAX})) {
    config.eos_token_ids.push_back(static_cast<int32_t>(id));
  }
  if (reader.find("temperature")) config.temperature = reader.number("temperature", 0.0, 100.0);
  if (reader.find("top_k")) {
    config.top_k = static_cast<int32_t>(reader.integer("top_k", {0, INT32_MAX}));
  }
  if (reader.find("top_p")) {
    config.top_p = reader.number("top_p", 0.0, 1.0);
    if (*config.top_p == 0) {
      fail(ErrorCode::kBadFile, "{} is 0, expected more", reader.where("top_p"));
    }
  }
  if (reader.find("do_sample")) config.do_sample = reader.boolean("do_sample", false);
  return config;
}

}  // namespace octavo
