#include "fixtures.h"

#include <fstream>
#include <random>
#include <set>
#include <sstream>

#include "checkpoint/json_file.h"
#include "checkpoint/model_config.h"
#include "checkpoint/safetensors_writer.h"
#include "convert/inventory.h"
#include "numerics/bfloat16.h"

namespace octavo::convert {
namespace {

template <typename Value>
void append(std::string& bytes, Value value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_text(std::string& bytes, const std::string& text) {
  append<uint64_t>(bytes, text.size());
  bytes += text;
}

void append_tensor(std::string& header, std::string& data, const std::string& name,
                   const std::vector<float>& values, size_t inner) {
  const bool stack = values.size() > inner;
  append_text(header, name);
  append<uint32_t>(header, stack ? 2 : 1);
  append<uint64_t>(header, inner);
  if (stack) append<uint64_t>(header, values.size() / inner);
  append<uint32_t>(header, 0);  // F32
  append<uint64_t>(header, data.size());
  data.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  data.resize((data.size() + 31) / 32 * 32);
}

}  // namespace

nlohmann::json tiny_config() {
  nlohmann::json config = read_json_file(std::filesystem::path(OCTAVO_TESTS_DIR) / "configs" /
                                         "gemma-4-26b-a4b-it.json");
  nlohmann::json& text = config["text_config"];
  text.update({{"hidden_size", 128},
               {"intermediate_size", 192},
               {"moe_intermediate_size", 64},
               {"num_experts", 4},
               {"top_k_experts", 2},
               {"num_attention_heads", 4},
               {"num_key_value_heads", 2},
               {"num_global_key_value_heads", 1},
               {"head_dim", 32},
               {"global_head_dim", 64},
               {"vocab_size", 320},
               {"sliding_window", 16},
               {"num_hidden_layers", 6}});
  text["layer_types"] = nlohmann::json::array();
  for (int i = 0; i < 6; ++i) {
    text["layer_types"].push_back(i == 5 ? "full_attention" : "sliding_attention");
  }
  config["vocab_size"] = 320;
  config["vision_config"].update({{"hidden_size", 64},
                                  {"intermediate_size", 96},
                                  {"num_attention_heads", 2},
                                  {"num_key_value_heads", 2},
                                  {"head_dim", 32},
                                  {"num_hidden_layers", 2},
                                  {"position_embedding_size", 16}});
  return config;
}

void write_checkpoint(const std::filesystem::path& folder, const nlohmann::json& config) {
  std::filesystem::create_directories(folder);
  write_file(folder / "config.json", config.dump(2));
  std::vector<TensorPlan> plan;
  std::set<std::string> seen;
  for (const InventoryTensor& tensor : implied_inventory(ModelConfig::parse(config, "test"))) {
    if (!seen.insert(tensor.source).second) continue;  // the second half of a fused stack
    std::vector<int64_t> shape = tensor.shape;
    if (tensor.part != Part::kWhole) shape[1] *= 2;
    plan.push_back({.name = tensor.source, .dtype = Dtype::kBF16, .shape = shape});
  }
  SafetensorsWriter writer(folder, plan);
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 0.05f);
  for (const TensorPlan& tensor : plan) {
    std::vector<uint16_t> values(tensor.bytes() / 2);
    for (uint16_t& value : values) {
      value = float_to_bf16(tensor.shape.size() == 1 ? 1 + normal(random) : normal(random));
    }
    writer.write(tensor.name, 0, std::as_bytes(std::span(values)));
  }
  writer.finish();
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

std::string gguf_imatrix(const std::map<std::string, Statistics>& entries,
                         const std::string& type) {
  std::string header = "GGUF", data;
  append<uint32_t>(header, 3);
  append<uint64_t>(header, entries.size() * 2);
  append<uint64_t>(header, 1);
  append_text(header, "general.type");
  append<uint32_t>(header, 8);  // string
  append_text(header, type);
  for (const auto& [name, entry] : entries) {
    append_tensor(header, data, name + ".in_sum2", entry.sums,
                  entry.sums.size() / entry.counts.size());
    append_tensor(header, data, name + ".counts", entry.counts, 1);
  }
  header.resize((header.size() + 31) / 32 * 32);
  return header + data;
}

ConvertOptions options_for(const std::filesystem::path& input,
                           const std::filesystem::path& output) {
  ConvertOptions options;
  options.input = input;
  options.output = output;
  options.quiet = true;
  options.threads = 1;
  return options;
}

}  // namespace octavo::convert
