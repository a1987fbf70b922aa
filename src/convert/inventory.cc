#include "convert/inventory.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/fail.h"

namespace octavo::convert {
namespace {

using Shape = std::vector<int64_t>;

/// Collects implied tensors; names are given as in the Hugging Face form, after its prefix.
class Collector {
 public:
  explicit Collector(const ModelConfig& config) : naming_(naming_of(config)) {}

  void text(const std::string& name, Shape shape, Part part = Part::kWhole) {
    add((naming_.text_only ? "model." : "model.language_model.") + name, std::move(shape), part);
  }
  void tower(const std::string& name, Shape shape) { add("model." + name, std::move(shape)); }
  void head(Shape shape) { add("lm_head.weight", std::move(shape)); }

  std::vector<InventoryTensor> sorted() {
    std::sort(tensors_.begin(), tensors_.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return std::move(tensors_);
  }

 private:
  void add(std::string source, Shape shape, Part part = Part::kWhole) {
    auto name = output_name(source, naming_, part);
    if (!name) return;
    tensors_.push_back({.source = std::move(source),
                        .part = part,
                        .name = std::move(*name),
                        .shape = std::move(shape)});
  }

  Naming naming_;
  std::vector<InventoryTensor> tensors_;
};

void add_layer(Collector& collector, const TextConfig& text, int64_t index) {
  const LayerConfig& layer = text.layers[index];
  const std::string prefix = "layers." + std::to_string(index) + ".";
  const int64_t hidden = text.hidden_size;
  const int64_t q_width = text.num_attention_heads * layer.head_dim;
  const int64_t kv_width = layer.kv_heads * layer.head_dim;
  const auto add = [&](const char* name, Shape shape) {
    collector.text(prefix + name, std::move(shape));
  };
  add("input_layernorm.weight", {hidden});
  add("post_attention_layernorm.weight", {hidden});
  add("pre_feedforward_layernorm.weight", {hidden});
  add("post_feedforward_layernorm.weight", {hidden});
  add("layer_scalar", {1});
  add("self_attn.q_proj.weight", {q_width, hidden});
  add("self_attn.k_proj.weight", {kv_width, hidden});
  if (!layer.k_is_v) add("self_attn.v_proj.weight", {kv_width, hidden});
  add("self_attn.o_proj.weight", {hidden, q_width});
  add("self_attn.q_norm.weight", {layer.head_dim});
  add("self_attn.k_norm.weight", {layer.head_dim});
  add("mlp.gate_proj.weight", {layer.intermediate_size, hidden});
  add("mlp.up_proj.weight", {layer.intermediate_size, hidden});
  add("mlp.down_proj.weight", {hidden, layer.intermediate_size});
  if (text.moe) {
    const int64_t experts = text.num_experts, width = text.moe_intermediate_size;
    add("post_feedforward_layernorm_1.weight", {hidden});
    add("pre_feedforward_layernorm_2.weight", {hidden});
    add("post_feedforward_layernorm_2.weight", {hidden});
    add("router.proj.weight", {experts, hidden});
    add("router.scale", {hidden});
    add("router.per_expert_scale", {experts});
    for (Part part : {Part::kFirstHalf, Part::kSecondHalf}) {
      collector.text(prefix + "experts.gate_up_proj", {experts, width, hidden}, part);
    }
    add("experts.down_proj", {experts, hidden, width});
  }
  if (const int64_t width = text.hidden_size_per_layer_input; width > 0) {
    add("per_layer_input_gate.weight", {width, hidden});
    add("per_layer_projection.weight", {hidden, width});
    add("post_per_layer_input_norm.weight", {hidden});
  }
}

void add_text(Collector& collector, const TextConfig& text) {
  collector.text("embed_tokens.weight", {text.vocab_size, text.hidden_size});
  collector.text("norm.weight", {text.hidden_size});
  const auto layers = static_cast<int64_t>(text.layers.size());
  for (int64_t i = 0; i < layers; ++i) add_layer(collector, text, i);
  if (!text.tie_word_embeddings) collector.head({text.vocab_size, text.hidden_size});
  if (const int64_t width = text.hidden_size_per_layer_input; width > 0) {
    collector.text("embed_tokens_per_layer.weight",
                   {text.vocab_size_per_layer_input, layers * width});
    collector.text("per_layer_model_projection.weight", {layers * width, text.hidden_size});
    collector.text("per_layer_projection_norm.weight", {width});
  }
}

/// A linear layer of the tower, with the four clamp limits where the model has them.
void add_tower_linear(Collector& collector, const VisionConfig& vision, const std::string& path,
                      Shape shape) {
  collector.tower(path + ".linear.weight", std::move(shape));
  if (!vision.use_clipped_linears) return;
  for (const char* limit : {"input_max", "input_min", "output_max", "output_min"}) {
    collector.tower(path + "." + limit, {});
  }
}

void add_vision(Collector& collector, const VisionConfig& vision, int64_t text_hidden) {
  const int64_t hidden = vision.hidden_size;
  const int64_t q_width = vision.num_attention_heads * vision.head_dim;
  const int64_t kv_width = vision.num_key_value_heads * vision.head_dim;
  collector.tower("vision_tower.patch_embedder.input_proj.weight",
                  {hidden, 3 * vision.patch_size * vision.patch_size});
  collector.tower("vision_tower.patch_embedder.position_embedding_table",
                  {2, vision.position_embedding_size, hidden});
  for (int64_t i = 0; i < vision.num_hidden_layers; ++i) {
    const std::string layer = "vision_tower.encoder.layers." + std::to_string(i) + ".";
    const auto linear = [&](const char* name, Shape shape) {
      add_tower_linear(collector, vision, layer + name, std::move(shape));
    };
    linear("self_attn.q_proj", {q_width, hidden});
    linear("self_attn.k_proj", {kv_width, hidden});
    linear("self_attn.v_proj", {kv_width, hidden});
    linear("self_attn.o_proj", {hidden, q_width});
    linear("mlp.gate_proj", {vision.intermediate_size, hidden});
    linear("mlp.up_proj", {vision.intermediate_size, hidden});
    linear("mlp.down_proj", {hidden, vision.intermediate_size});
    for (const char* norm : {"q_norm", "k_norm"}) {
      collector.tower(layer + "self_attn." + norm + ".weight", {vision.head_dim});
    }
    for (const char* norm : {"input_layernorm", "post_attention_layernorm",
                             "pre_feedforward_layernorm", "post_feedforward_layernorm"}) {
      collector.tower(layer + norm + ".weight", {hidden});
    }
  }
  if (vision.standardize) {
    collector.tower("vision_tower.std_bias", {hidden});
    collector.tower("vision_tower.std_scale", {hidden});
  }
  collector.tower("embed_vision.embedding_projection.weight", {text_hidden, hidden});
}

bool is_quantised_name(std::string_view name) {
  return name.ends_with(".scales") || name.ends_with(".biases") ||
         name.ends_with(".weight_scale") || name.ends_with(".weight_packed");
}

/// Convolutions in Hugging Face order: [out, in, k] and [out, in, h, w].
Reorder reorder_of(std::string_view source, std::string_view name, size_t rank) {
  const bool audio = name.starts_with("audio_") && source.starts_with("model.");
  return audio && (rank == 3 || rank == 4) && name.find("conv") != std::string_view::npos
             ? Reorder::kChannelsLast
             : Reorder::kNone;
}

InventoryTensor make_entry(const TensorView& view, std::string name, Part part) {
  if (view.bytes.empty()) {
    fail(ErrorCode::kBadFile, "tensor {}: shape {} holds nothing", view.name,
         to_string(view.shape));
  }
  InventoryTensor tensor{.source = view.name,
                         .part = part,
                         .name = std::move(name),
                         .dtype = view.dtype,
                         .shape = view.shape};
  if (part != Part::kWhole) {
    if (view.shape.size() != 3 || view.shape[1] % 2 != 0) {
      fail(ErrorCode::kBadFile, "tensor {}: expected shape [experts, 2 * width, hidden]",
           view.name);
    }
    tensor.shape[1] /= 2;
  }
  tensor.reorder = reorder_of(view.name, tensor.name, view.shape.size());
  if (tensor.reorder == Reorder::kChannelsLast) {
    std::rotate(tensor.shape.begin() + 1, tensor.shape.begin() + 2, tensor.shape.end());
  }
  return tensor;
}

std::string shape_text(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Every implied tensor is there with its shape. A checkpoint may leave out vision as a whole.
void check_complete(const std::map<std::string, InventoryTensor>& actual, const ModelConfig& config,
                    const std::string& where) {
  const bool has_vision = actual.lower_bound("vision_tower.") != actual.end() &&
                          actual.lower_bound("vision_tower.")->first.starts_with("vision_tower.");
  for (const InventoryTensor& implied : implied_inventory(config)) {
    const auto found = actual.find(implied.name);
    if (found == actual.end()) {
      if (is_tower_name(implied.name) && !has_vision) continue;
      fail(ErrorCode::kBadFile, "{}: tensor {} is missing, expected with shape {}", where,
           implied.source, shape_text(implied.shape));
    }
    if (found->second.shape != implied.shape) {
      fail(ErrorCode::kBadFile, "{}: tensor {} has shape {}, config.json implies {}", where,
           found->second.source, shape_text(found->second.shape), shape_text(implied.shape));
    }
  }
}

}  // namespace

Naming naming_of(const ModelConfig& config) {
  Naming naming{.text_only = config.model_type == "gemma4_text",
                .tied_head = config.text.tie_word_embeddings};
  if (config.text.num_kv_shared_layers > 0) {
    naming.first_shared_layer =
        static_cast<int>(config.text.layers.size()) - config.text.num_kv_shared_layers;
  }
  return naming;
}

std::vector<InventoryTensor> implied_inventory(const ModelConfig& config) {
  Collector collector(config);
  add_text(collector, config.text);
  if (config.vision) add_vision(collector, *config.vision, config.text.hidden_size);
  return collector.sorted();
}

std::vector<InventoryTensor> actual_inventory(const Checkpoint& checkpoint,
                                              const ModelConfig& config) {
  const Naming naming = naming_of(config);
  const std::string where = checkpoint.folder().string();
  std::map<std::string, InventoryTensor> by_name;
  const auto add = [&](const TensorView& view, Part part) {
    auto name = output_name(view.name, naming, part);
    if (!name) return;
    auto [at, fresh] = by_name.emplace(*name, make_entry(view, *name, part));
    if (!fresh) {
      fail(ErrorCode::kBadFile, "{}: tensors {} and {} both become {}", where, at->second.source,
           view.name, *name);
    }
  };
  for (const auto& [source, view] : checkpoint.tensors()) {
    if (is_quantised_name(source)) {
      fail(ErrorCode::kUnsupported, "{}: already quantised (tensor {}); give the original weights",
           where, source);
    }
    if (is_fused_gate_up(source)) {
      add(view, Part::kFirstHalf);
      add(view, Part::kSecondHalf);
    } else {
      add(view, Part::kWhole);
    }
  }
  check_complete(by_name, config, where);
  std::vector<InventoryTensor> tensors;
  for (auto& [name, tensor] : by_name) tensors.push_back(std::move(tensor));
  return tensors;
}

std::vector<std::string> unexpected_names(const std::vector<InventoryTensor>& actual,
                                          const std::vector<InventoryTensor>& implied) {
  std::set<std::string_view> known;
  for (const InventoryTensor& tensor : implied) known.insert(tensor.name);
  std::vector<std::string> unexpected;
  for (const InventoryTensor& tensor : actual) {
    if (!known.contains(tensor.name) && tensor_class(tensor.name) != "audio tower") {
      unexpected.push_back(tensor.name);
    }
  }
  return unexpected;
}

}  // namespace octavo::convert
