#include "model/gemma4_weights.h"

#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "base/fail.h"
#include "checkpoint/quantised_layout.h"
#include "numerics/bfloat16.h"

namespace octavo {
namespace {

const uint8_t* bytes_of(const TensorView& tensor) {
  return reinterpret_cast<const uint8_t*>(tensor.bytes.data());
}

std::string shape_text(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Finds tensors below one name prefix and checks them.
class Binder {
 public:
  Binder(const Checkpoint& checkpoint, const ModelConfig& config)
      : checkpoint_(checkpoint), config_(config), prefix_(find_prefix()) {}

  bool has(const std::string& name) const { return checkpoint_.find(prefix_ + name) != nullptr; }

  /// A vector of `size` floats.
  Vector vector(const std::string& name, int64_t size) const {
    const TensorView& tensor = get(name);
    require_shape(tensor, std::array{size});
    Vector values(static_cast<size_t>(size));
    for (int64_t i = 0; i < size; ++i) values[i] = element(tensor, i);
    return values;
  }

  /// The matrix of `module`.weight, dense or quantised.
  WeightMatrix matrix(const std::string& module, int64_t rows, int64_t cols) const {
    return bind(module, module + ".weight", std::array{rows, cols});
  }

  WeightMatrix head(int64_t rows, int64_t cols) const {
    for (const char* name : {"lm_head", "language_model.lm_head"}) {
      if (checkpoint_.find(std::string(name) + ".weight") != nullptr) {
        const std::array shape{rows, cols};
        return bind_absolute(name, std::string(name) + ".weight", shape);
      }
    }
    fail(ErrorCode::kBadFile, "{}: lm_head.weight is missing although tie_word_embeddings is false",
         checkpoint_.folder().string());
  }

  /// [experts, rows, cols] of `module`, whose tensor is called `module`.weight or just `module`.
  WeightMatrix stack(const std::string& module, int64_t experts, int64_t rows, int64_t cols) const {
    const std::string name = has(module + ".weight") ? module + ".weight" : module;
    WeightMatrix all = bind(module, name, std::array{experts, rows, cols});
    all.rows = experts * rows;
    return all;
  }

 private:
  std::string find_prefix() const {
    for (const char* prefix : {"language_model.model.", "model.language_model.",
                               "model.language_model.model.", "language_model.", "model.", ""}) {
      if (checkpoint_.find(std::string(prefix) + "embed_tokens.weight") != nullptr) return prefix;
    }
    fail(ErrorCode::kBadFile, "{}: no embed_tokens.weight under any known name",
         checkpoint_.folder().string());
  }

  const TensorView& get(const std::string& name) const { return checkpoint_.get(prefix_ + name); }

  static void require_shape(const TensorView& tensor, std::span<const int64_t> shape) {
    if (std::ranges::equal(tensor.shape, shape)) return;
    fail(ErrorCode::kBadFile, "tensor '{}': shape {} where the config asks for {}", tensor.name,
         shape_text(tensor.shape), shape_text(shape));
  }

  static float element(const TensorView& tensor, int64_t index) {
    const std::byte* data = tensor.bytes.data();
    uint16_t half;
    switch (tensor.dtype) {
      case Dtype::kF32: {
        float value;
        std::memcpy(&value, data + 4 * index, 4);
        return value;
      }
      case Dtype::kBF16:
        std::memcpy(&half, data + 2 * index, 2);
        return bf16_to_float(half);
      case Dtype::kF16: {
        MatrixView one;
        one.format = MatrixFormat::kF16;
        one.rows = one.cols = 1;
        one.weight = reinterpret_cast<const uint8_t*>(data + 2 * index);
        float lanes[kLanes];
        kernels().decode_row(one, 0, 1.0f, lanes, nullptr);
        return lanes[0];
      }
      default:
        break;
    }
    fail(ErrorCode::kBadFile, "tensor '{}': dtype {} where BF16, F16 or F32 is expected",
         tensor.name, to_string(tensor.dtype));
  }

  WeightMatrix bind(const std::string& module, const std::string& name,
                    std::span<const int64_t> shape) const {
    return bind_absolute(prefix_ + module, prefix_ + name, shape);
  }

  WeightMatrix bind_absolute(const std::string& module, const std::string& name,
                             std::span<const int64_t> shape) const {
    const TensorView& weight = checkpoint_.get(name);
    WeightMatrix m;
    m.rows = shape[shape.size() - 2];
    m.cols = shape.back();
    m.weight = bytes_of(weight);
    const auto spec = quant_spec_of(checkpoint_, config_, module, shape.back());
    if (!spec) {
      require_shape(weight, shape);
      m.format = dense_format(weight);
      return m;
    }
    m.format = MatrixFormat::kQuantised;
    m.spec = *spec;
    require_quantised_shape(weight, shape, *spec);
    const TensorView& scales = checkpoint_.get(module + ".scales");
    m.scales = bytes_of(scales);
    if (spec->has_biases()) {
      m.biases = bytes_of(checkpoint_.get(module + ".biases"));
      m.side = side_dtype(scales);
    }
    return m;
  }

  static MatrixFormat dense_format(const TensorView& weight) {
    switch (weight.dtype) {
      case Dtype::kBF16:
        return MatrixFormat::kBF16;
      case Dtype::kF16:
        return MatrixFormat::kF16;
      case Dtype::kF32:
        return MatrixFormat::kF32;
      default:
        break;
    }
    fail(ErrorCode::kBadFile, "tensor '{}': dtype {} without scales; expected BF16, F16 or F32",
         weight.name, to_string(weight.dtype));
  }

  static SideDtype side_dtype(const TensorView& scales) {
    switch (scales.dtype) {
      case Dtype::kBF16:
        return SideDtype::kBF16;
      case Dtype::kF16:
        return SideDtype::kF16;
      case Dtype::kF32:
        return SideDtype::kF32;
      default:
        break;
    }
    fail(ErrorCode::kBadFile, "tensor '{}': dtype {} for affine scales; expected BF16, F16 or F32",
         scales.name, to_string(scales.dtype));
  }

  /// quant_spec_of() has checked weight, scales and biases against each other; this checks that
  /// they hold the matrix which the config asks for.
  static void require_quantised_shape(const TensorView& weight, std::span<const int64_t> shape,
                                      const QuantSpec& spec) {
    std::vector<int64_t> packed(shape.begin(), shape.end());
    if (packed.back() % spec.group_size != 0) {
      fail(ErrorCode::kBadFile, "tensor '{}': width {} is not divisible by its group size {}",
           weight.name, packed.back(), spec.group_size);
    }
    packed.back() = spec.weight_bytes(packed.back()) / 4;
    require_shape(weight, packed);
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  std::string prefix_;
};

ExpertBank bind_experts(const Binder& binder, const std::string& layer, const TextConfig& text) {
  const int64_t experts = text.num_experts, width = text.moe_intermediate_size;
  const std::string path = layer + "experts.";
  ExpertBank bank;
  if (binder.has(path + "gate_up_proj") || binder.has(path + "gate_up_proj.weight")) {
    const WeightMatrix fused =
        binder.stack(path + "gate_up_proj", experts, 2 * width, text.hidden_size);
    bank.gate = {fused, 2 * width, 0, width};
    bank.up = {fused, 2 * width, width, width};
    bank.down = {binder.stack(path + "down_proj", experts, text.hidden_size, width),
                 text.hidden_size, 0, text.hidden_size};
    return bank;
  }
  const std::string split = path + "switch_glu.";
  bank.gate = {binder.stack(split + "gate_proj", experts, width, text.hidden_size), width, 0,
               width};
  bank.up = {binder.stack(split + "up_proj", experts, width, text.hidden_size), width, 0, width};
  bank.down = {binder.stack(split + "down_proj", experts, text.hidden_size, width),
               text.hidden_size, 0, text.hidden_size};
  return bank;
}

MoeWeights bind_moe(const Binder& binder, const std::string& layer, const TextConfig& text) {
  const int64_t hidden = text.hidden_size;
  MoeWeights moe;
  moe.pre_feedforward_layernorm_2 =
      binder.vector(layer + "pre_feedforward_layernorm_2.weight", hidden);
  moe.post_feedforward_layernorm_1 =
      binder.vector(layer + "post_feedforward_layernorm_1.weight", hidden);
  moe.post_feedforward_layernorm_2 =
      binder.vector(layer + "post_feedforward_layernorm_2.weight", hidden);
  moe.router.scale = binder.vector(layer + "router.scale", hidden);
  moe.router.proj = binder.matrix(layer + "router.proj", text.num_experts, hidden);
  moe.router.per_expert_scale = binder.vector(layer + "router.per_expert_scale", text.num_experts);
  moe.experts = bind_experts(binder, layer, text);
  return moe;
}

LayerWeights bind_layer(const Binder& binder, const TextConfig& text, size_t index) {
  const LayerConfig& config = text.layers[index];
  const std::string layer = fmt::format("layers.{}.", index);
  const int64_t hidden = text.hidden_size, dim = config.head_dim;
  const int64_t q_width = text.num_attention_heads * dim, kv_width = config.kv_heads * dim;
  LayerWeights w;
  w.input_layernorm = binder.vector(layer + "input_layernorm.weight", hidden);
  w.post_attention_layernorm = binder.vector(layer + "post_attention_layernorm.weight", hidden);
  w.pre_feedforward_layernorm = binder.vector(layer + "pre_feedforward_layernorm.weight", hidden);
  w.post_feedforward_layernorm = binder.vector(layer + "post_feedforward_layernorm.weight", hidden);
  w.q_proj = binder.matrix(layer + "self_attn.q_proj", q_width, hidden);
  w.k_proj = binder.matrix(layer + "self_attn.k_proj", kv_width, hidden);
  if (!config.k_is_v) w.v_proj = binder.matrix(layer + "self_attn.v_proj", kv_width, hidden);
  w.o_proj = binder.matrix(layer + "self_attn.o_proj", hidden, q_width);
  w.q_norm = binder.vector(layer + "self_attn.q_norm.weight", dim);
  w.k_norm = binder.vector(layer + "self_attn.k_norm.weight", dim);
  w.mlp.gate = binder.matrix(layer + "mlp.gate_proj", config.intermediate_size, hidden);
  w.mlp.up = binder.matrix(layer + "mlp.up_proj", config.intermediate_size, hidden);
  w.mlp.down = binder.matrix(layer + "mlp.down_proj", hidden, config.intermediate_size);
  if (text.moe) w.moe = bind_moe(binder, layer, text);
  w.layer_scalar = binder.vector(layer + "layer_scalar", 1)[0];
  return w;
}

}  // namespace

Gemma4Weights bind_weights(const Checkpoint& checkpoint, const ModelConfig& config) {
  const TextConfig& text = config.text;
  const Binder binder(checkpoint, config);
  Gemma4Weights weights;
  weights.embed_tokens = binder.matrix("embed_tokens", text.vocab_size, text.hidden_size);
  weights.head = text.tie_word_embeddings ? weights.embed_tokens
                                          : binder.head(text.vocab_size, text.hidden_size);
  weights.norm = binder.vector("norm.weight", text.hidden_size);
  for (size_t i = 0; i < text.layers.size(); ++i) {
    weights.layers.push_back(bind_layer(binder, text, i));
  }
  return weights;
}

}  // namespace octavo
