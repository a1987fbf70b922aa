#include "convert/source_model.h"

#include "base/fail.h"
#include "checkpoint/json_file.h"
#include "checkpoint/shard_index.h"

namespace octavo::convert {
namespace {

namespace fs = std::filesystem;

bool has_weights(const fs::path& folder) {
  if (fs::exists(folder / kShardIndexName)) return true;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") return true;
  }
  return false;
}

/// Already quantised inputs would lose twice, and none of their scales would survive.
void refuse_quantised(const nlohmann::json& config, const std::string& where) {
  for (const char* key : {"quantization", "quantization_config"}) {
    const auto found = config.find(key);
    if (found != config.end() && !found->is_null()) {
      fail(ErrorCode::kUnsupported, "{}: already quantised (key {}); give the original weights",
           where, key);
    }
  }
}

}  // namespace

SourceModel open_source(const ConvertOptions& options, bool planning) {
  SourceModel source;
  const fs::path& input = options.input;
  const bool folder = fs::is_directory(input);
  if (!folder && !(planning && fs::is_regular_file(input))) {
    fail(ErrorCode::kIo, "{}: no such folder{}", input.string(), planning ? " or config.json" : "");
  }
  const fs::path config_path = folder ? input / "config.json" : input;
  if (folder && (!planning || has_weights(input))) {
    source.checkpoint = std::make_shared<const Checkpoint>(Checkpoint::open(input));
    source.config = source.checkpoint->config();
  } else {
    source.config = read_json_file(config_path);
    if (!source.config.is_object()) {
      fail(ErrorCode::kBadFile, "{}: not a JSON object", config_path.string());
    }
  }
  refuse_quantised(source.config, config_path.string());
  if (!options.model_type.empty()) source.config["model_type"] = options.model_type;
  source.parsed = ModelConfig::parse(source.config, config_path.string());
  std::vector<InventoryTensor> implied = implied_inventory(source.parsed);
  if (!source.checkpoint) {
    source.inventory = std::move(implied);
    if (source.parsed.has_audio) {
      source.notes.push_back("the audio tower is not part of this plan: no weights are present");
    }
    return source;
  }
  source.inventory = actual_inventory(*source.checkpoint, source.parsed);
  source.notes = source.checkpoint->notes();
  for (const std::string& name : unexpected_names(source.inventory, implied)) {
    source.notes.push_back(printable(name) +
                           " is not known to belong to this model; converted all the same");
  }
  return source;
}

}  // namespace octavo::convert
