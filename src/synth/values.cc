#include "synth/values.h"

#include <array>
#include <cmath>
#include <utility>

namespace octavo::synth {
namespace {

constexpr Uniform kNorms{0.25, 1.75};

// What a layer adds is small beside the residual stream, as in a trained model: each is a
// correction, and an error of one kernel stays about as large as it is. With parts as large as the
// stream, twelve random layers turn any rounding into other text. For the same reason the experts
// add less than the dense branch: a rounding decides now and then which one is the last of the
// chosen.
constexpr Uniform kPostNorms{0.05, 0.2}, kExpertsPostNorm{0.05, 0.35};

// All but the first MLP: a stream that stayed close to the token's own embedding would make pairs
// of tokens follow each other for ever.
constexpr Uniform kFirstPostNorm{1.5, 4.5};

// What is left of the embedding would still give the token itself the largest logit. With weights
// of both signs the product of a row with itself cancels as those with others do.
constexpr Uniform kFinalNorm{-9, 9};

// The first whose text a name ends with.
constexpr std::array<std::pair<std::string_view, Uniform>, 11> kVectors = {
    {{"layer_scalar", {0.85, 0.98}},
     {"router.scale", {0.3, 1.7}},
     {"per_expert_scale", {0.3, 1.8}},
     {"q_norm.weight", {0.2, 1.1}},
     {"k_norm.weight", {0.2, 1.1}},
     {"model.layers.0.post_feedforward_layernorm.weight", kFirstPostNorm},
     {"post_attention_layernorm.weight", kPostNorms},
     {"post_feedforward_layernorm.weight", kPostNorms},
     {"post_feedforward_layernorm_2.weight", kExpertsPostNorm},
     {"post_per_layer_input_norm.weight", kPostNorms},
     {"model.norm.weight", kFinalNorm}}};

}  // namespace

Uniform vector_values(std::string_view name) {
  for (const auto& [suffix, values] : kVectors) {
    if (name.ends_with(suffix)) return values;
  }
  return kNorms;
}

double matrix_deviation(std::string_view name, int64_t width) {
  const double fan_in = std::sqrt(static_cast<double>(width));
  if (name.ends_with("embed_tokens_per_layer.weight")) return 0.2;
  // The router sees normalised values over sqrt(width).
  if (name.ends_with("router.proj.weight")) return 1.5;
  if (name.ends_with("embed_tokens.weight") || name.ends_with("lm_head.weight")) {
    return 1 / fan_in;  // the embedding is scaled by sqrt(width)
  }
  return 1.2 / fan_in;
}

}  // namespace octavo::synth
