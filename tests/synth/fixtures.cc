#include "fixtures.h"

#include <fstream>
#include <sstream>

#include "synth/shapes.h"

namespace octavo::synth {

nlohmann::json small_config() {
  nlohmann::json config = config_like("26b-a4b");
  keep_layers(config, 6, "26b-a4b");
  config["text_config"].update({{"hidden_size", 256},
                                {"intermediate_size", 320},
                                {"moe_intermediate_size", 448},
                                {"num_experts", 4},
                                {"top_k_experts", 2},
                                {"num_attention_heads", 4},
                                {"num_key_value_heads", 2},
                                {"num_global_key_value_heads", 1},
                                {"head_dim", 32},
                                {"global_head_dim", 64},
                                {"vocab_size", 640},
                                {"sliding_window", 16}});
  return config;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), std::ssize(bytes));
}

}  // namespace octavo::synth
