// convert: tensor names: Hugging Face or MLX spelling in, MLX spelling out, and the class of a
// name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace octavo::convert {

/// How names are spelled in the output; follows from the kind of checkpoint.
struct Naming {
  bool text_only = false;      // Gemma4ForCausalLM: "model.…", as mlx-lm wants it
  bool tied_head = true;       // lm_head repeats the embedding and is dropped
  int first_shared_layer = 0;  // layers from here on reuse older keys and values; 0 = none

  std::string text_prefix() const { return text_only ? "model." : "language_model.model."; }
};

/// Which part of a source tensor an output tensor is.
enum class Part { kWhole, kFirstHalf, kSecondHalf };  // halves: along axis 1

/// The output name of a source tensor; nullopt if it does not belong in the output. A fused
/// experts.gate_up_proj is answered for the requested half.
std::optional<std::string> output_name(std::string_view source, const Naming& naming,
                                       Part part = Part::kWhole);

/// True for a fused `…experts.gate_up_proj`, which becomes two output tensors.
bool is_fused_gate_up(std::string_view source);

/// The number after "layers." in a name, -1 if there is none.
int layer_index(std::string_view name);

/// Vision or audio: everything outside the text model.
bool is_tower_name(std::string_view output_name);

/// True for the scalars that clamp a tower's activations. Infinite ones are no limit, and legal.
bool is_clamp_limit(std::string_view name);

/// True for an expert stack's matrix.
bool is_expert_stack(std::string_view output_name);

/// The class of an output tensor for tables and reports: "q_proj", "experts.gate_proj", "norms", …
std::string tensor_class(std::string_view output_name);

/// A tensor's name without ".weight": the path of its module.
std::string_view module_path(std::string_view tensor);

}  // namespace octavo::convert
