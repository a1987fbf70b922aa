#include "synth/values.h"

#include <array>
#include <cmath>
#include <utility>

namespace octavo::synth {
namespace {

constexpr Uniform kNorms{0.25, 1.75};

// A token must not find itself in the residual stream at the end, else every model repeats its
// last token: embeddings are small, and the final norm makes up for it in the logits.
constexpr double kEmbeddingGain = 0.22;
constexpr Uniform kFinalNorm{16, 36};

constexpr std::array<std::pair<std::string_view, Uniform>, 6> kVectors = {
    {{"layer_scalar", {0.4, 0.95}},
     {"router.scale", {0.3, 1.7}},
     {"per_expert_scale", {0.3, 1.8}},
     {"q_norm.weight", {0.2, 1.1}},
     {"k_norm.weight", {0.2, 1.1}},
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
    return kEmbeddingGain / fan_in;
  }
  return 1.2 / fan_in;
}

}  // namespace octavo::synth
