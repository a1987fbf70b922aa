// JSON as config.json and as a shard index. What a configuration promises must hold once accepted.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "checkpoint/json_file.h"
#include "checkpoint/model_config.h"
#include "checkpoint/shard_index.h"
#include "clean_failure.h"

namespace {

void check(const octavo::ModelConfig& config) {
  const octavo::TextConfig& text = config.text;
  if (text.layers.empty() || !text.layers.back().full_attention) std::abort();
  for (const auto& layer : text.layers) {
    if (layer.head_dim % 2 != 0 || text.num_attention_heads % layer.kv_heads != 0) std::abort();
  }
  if (text.moe && (text.top_k_experts < 1 || text.top_k_experts > text.num_experts)) std::abort();
  if (!config.quantization) return;
  octavo::validate(config.quantization->top);
  for (const auto& [module, spec] : config.quantization->overrides) {
    if (spec) octavo::validate(*spec);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  octavo::may_fail_cleanly([&] {
    const auto json = octavo::parse_json(text, "fuzz.json");
    octavo::may_fail_cleanly([&] { check(octavo::ModelConfig::parse(json, "config.json")); });
    octavo::may_fail_cleanly([&] { octavo::ShardIndex::parse(json, "index.json"); });
  });
  return 0;
}
