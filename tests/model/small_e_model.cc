#include "small_e_model.h"

#include <fstream>

#include "../temp_folder.h"
#include "synth/shapes.h"
#include "synth/synth.h"

namespace octavo {
namespace {

nlohmann::json config() {
  nlohmann::json config = synth::config_like("e2b");
  const char* sliding = "sliding_attention";
  const char* full = "full_attention";
  config["text_config"].update({{"layer_types", {sliding, sliding, full, sliding, sliding, full}},
                                {"num_hidden_layers", 6},
                                {"num_kv_shared_layers", 3},
                                {"hidden_size", 64},
                                {"intermediate_size", 96},
                                {"hidden_size_per_layer_input", 32},
                                {"num_attention_heads", 4},
                                {"head_dim", 16},
                                {"global_head_dim", 32},
                                {"sliding_window", 100},
                                {"vocab_size", kVocab},
                                {"vocab_size_per_layer_input", kVocab}});
  return config;
}

}  // namespace

std::filesystem::path small_e_model(const std::string& layout) {
  static const TempFolder folder;
  const std::filesystem::path output = folder / layout;
  if (std::filesystem::exists(output)) return output;
  const std::filesystem::path source = folder / "config.json";
  std::ofstream(source) << config();
  synth::SynthOptions options;
  options.config = source;
  options.layout.output = output;
  options.layout.threads = 1;
  options.layout.quiet = true;
  if (layout == "card") {
    options.layout.quantize = true;
    options.layout.bits = 8;
    options.layout.mxfp = true;
    options.layout.recipe = "unsloth";
  }
  synth::synthesise(options);
  return output;
}

}  // namespace octavo
