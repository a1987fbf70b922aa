// The demonstration model with eyes of random weights: what it sees is noise, but every picture is
// another noise.
#pragma once

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "checkpoint/json_file.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/write_safetensors.h"
#include "numerics/bfloat16.h"
#include "temp_folder.h"

namespace octavo {

class SeeingDemo {
 public:
  /// Made on first use; removed when the program ends.
  static const std::filesystem::path& folder() {
    static const SeeingDemo demo;
    return demo.folder_.path();
  }

 private:
  static constexpr int64_t kHidden = 32, kHeads = 2, kHeadDim = 16, kWidth = 48, kPositions = 256;

  SeeingDemo() {
    for (const char* file : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
                             "generation_config.json"}) {
      std::filesystem::copy_file(source_ / file, folder_ / file);
    }
    write_config();
    write_weights();
  }
  void write_config() {
    nlohmann::json config = read_json_file(source_ / "config.json");
    config["text_config"]["use_bidirectional_attention"] = "vision";
    config["vision_soft_tokens_per_image"] = 280;
    config["vision_config"] = {{"hidden_size", kHidden},
                               {"intermediate_size", kWidth},
                               {"num_hidden_layers", 1},
                               {"num_attention_heads", kHeads},
                               {"num_key_value_heads", kHeads},
                               {"head_dim", kHeadDim},
                               {"patch_size", 16},
                               {"pooling_kernel_size", 3},
                               {"position_embedding_size", kPositions}};
    text_hidden_ = config["text_config"]["hidden_size"];
    std::ofstream(folder_ / "config.json") << config;
  }

  void write_weights() {
    const SafetensorsFile text = SafetensorsFile::open(source_ / "model.safetensors");
    std::vector<std::pair<TensorPlan, std::span<const std::byte>>> tensors;
    for (const TensorView& tensor : text.tensors()) {
      if (tensor.name.find("vision") != std::string::npos) continue;
      tensors.push_back({{tensor.name, tensor.dtype, tensor.shape}, tensor.bytes});
    }
    make_eyes();
    for (const auto& [plan, values] : eyes_)
      tensors.push_back({plan, std::as_bytes(std::span(values))});
    write_safetensors_file(folder_ / "model.safetensors", tensors);
  }

  void make_eyes() {
    const std::string tower = "model.vision_tower.", layer = tower + "encoder.layers.0.";
    add(tower + "patch_embedder.input_proj.weight", {kHidden, 768}, 0.06f);
    add(tower + "patch_embedder.position_embedding_table", {2, kPositions, kHidden}, 0.5f);
    for (const char* norm : {"input_layernorm", "post_attention_layernorm",
                             "pre_feedforward_layernorm", "post_feedforward_layernorm"}) {
      add(layer + norm + ".weight", {kHidden}, 0.2f, 1.0f);
    }
    for (const char* norm : {"q_norm", "k_norm"}) {
      add(layer + "self_attn." + norm + ".weight", {kHeadDim}, 0.2f, 1.0f);
    }
    for (const char* matrix : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
      add(layer + "self_attn." + matrix + ".linear.weight", {kHidden, kHidden}, 0.2f);
    }
    for (const char* matrix : {"gate_proj", "up_proj"}) {
      add(layer + "mlp." + matrix + ".linear.weight", {kWidth, kHidden}, 0.2f);
    }
    add(layer + "mlp.down_proj.linear.weight", {kHidden, kWidth}, 0.2f);
    add("model.embed_vision.embedding_projection.weight", {text_hidden_, kHidden}, 0.2f);
  }

  void add(const std::string& name, std::vector<int64_t> shape, float deviation, float mean = 0) {
    std::normal_distribution<float> normal(mean, deviation);
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    std::vector<uint16_t> values;
    for (int64_t i = 0; i < count; ++i) values.push_back(float_to_bf16(normal(random_)));
    eyes_.push_back({{name, Dtype::kBF16, std::move(shape)}, std::move(values)});
  }

  const std::filesystem::path source_ =
      std::filesystem::path(OCTAVO_SOURCE_DIR) / "models/capitals";
  TempFolder folder_;
  int64_t text_hidden_ = 0;
  std::mt19937 random_{7};
  std::vector<std::pair<TensorPlan, std::vector<uint16_t>>> eyes_;
};

}  // namespace octavo
