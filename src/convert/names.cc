#include "convert/names.h"

#include <array>
#include <charconv>

namespace octavo::convert {
namespace {

using std::string_view;

constexpr std::array<string_view, 5> kTextPrefixes = {
    "model.language_model.model.", "model.language_model.", "language_model.model.",
    "language_model.", "model."};  // the longest that fits goes first

constexpr std::array<string_view, 7> kTowerPrefixes = {
    "vision_tower.", "vision_encoder.", "audio_tower.",          "audio_encoder.",
    "embed_audio.",  "embed_vision.",   "multi_modal_projector."};

constexpr std::array<string_view, 4> kClampSuffixes = {".input_max", ".input_min", ".output_max",
                                                       ".output_min"};

constexpr string_view kFusedGateUp = ".experts.gate_up_proj";
constexpr string_view kFusedDown = ".experts.down_proj";

string_view strip_prefix(string_view name) {
  for (string_view prefix : kTextPrefixes) {
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  }
  return name;
}

bool contains(string_view name, string_view part) {
  return name.find(part) != string_view::npos;
}

bool keeps_clamps(string_view name) {
  return name.starts_with("vision_tower.") || name.starts_with("vision_encoder.") ||
         name.starts_with("audio_");
}

bool is_shared_kv(string_view name, const Naming& naming) {
  if (naming.first_shared_layer <= 0 || layer_index(name) < naming.first_shared_layer) return false;
  return contains(name, ".self_attn.k_proj.") || contains(name, ".self_attn.v_proj.") ||
         contains(name, ".self_attn.k_norm.");
}

std::string expert_name(string_view stripped, Part part) {
  const bool fused = stripped.ends_with(kFusedGateUp);
  const string_view suffix = fused ? kFusedGateUp : kFusedDown;
  const string_view module = stripped.substr(0, stripped.size() - suffix.size());
  const char* matrix = !fused ? "down_proj" : part == Part::kSecondHalf ? "up_proj" : "gate_proj";
  return std::string(module) + ".experts.switch_glu." + matrix + ".weight";
}

}  // namespace

bool is_fused_gate_up(string_view source) {
  return source.ends_with(kFusedGateUp);
}

std::optional<std::string> output_name(string_view source, const Naming& naming, Part part) {
  const string_view name = strip_prefix(source);
  if (contains(name, "rotary_emb")) return std::nullopt;
  if (is_clamp_limit(name) && !keeps_clamps(name)) return std::nullopt;
  if (is_tower_name(name)) return std::string(name);
  if (name == "lm_head.weight") {
    if (naming.tied_head) return std::nullopt;
    return naming.text_only ? "lm_head.weight" : "language_model.lm_head.weight";
  }
  if (is_shared_kv(name, naming)) return std::nullopt;
  if (name.ends_with(kFusedGateUp) || name.ends_with(kFusedDown)) {
    return naming.text_prefix() + expert_name(name, part);
  }
  return naming.text_prefix() + std::string(name);
}

int layer_index(string_view name) {
  const size_t at = name.find("layers.");
  if (at == string_view::npos) return -1;
  const string_view digits = name.substr(at + 7);
  int index = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (error != std::errc() || end == digits.data() + digits.size() || *end != '.') return -1;
  return index;
}

bool is_tower_name(string_view name) {
  for (string_view prefix : kTowerPrefixes) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

bool is_clamp_limit(string_view name) {
  for (string_view suffix : kClampSuffixes) {
    if (name.ends_with(suffix)) return true;
  }
  return false;
}

bool is_expert_stack(string_view name) {
  return contains(name, ".experts.switch_glu.") && name.ends_with(".weight");
}

string_view module_path(string_view tensor) {
  constexpr string_view kWeight = ".weight";
  return tensor.ends_with(kWeight) ? tensor.substr(0, tensor.size() - kWeight.size()) : tensor;
}

std::string tensor_class(string_view name) {
  if (name.starts_with("embed_vision.")) return "vision projection";
  if (name.starts_with("vision_")) return "vision tower";
  if (name.starts_with("audio_") || name.starts_with("embed_audio.")) return "audio tower";
  if (is_tower_name(name)) return "projector";
  if (contains(name, "embed_tokens_per_layer")) return "per-layer embeddings";
  if (contains(name, "embed_tokens")) return "embed_tokens";
  if (contains(name, "lm_head")) return "lm_head";
  for (string_view matrix : {"gate_proj", "up_proj", "down_proj"}) {
    if (contains(name, std::string(".experts.switch_glu.") + std::string(matrix))) {
      return "experts." + std::string(matrix);
    }
    if (contains(name, std::string(".mlp.") + std::string(matrix))) {
      return "mlp." + std::string(matrix);
    }
  }
  for (string_view matrix : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
    if (contains(name, std::string(".self_attn.") + std::string(matrix))) {
      return std::string(matrix);
    }
  }
  if (contains(name, ".router.proj.")) return "router.proj";
  if (contains(name, "norm")) return "norms";  // before the per-layer matrices, which have one too
  if (contains(name, ".per_layer_input_gate") || contains(name, "per_layer_model_projection") ||
      contains(name, ".per_layer_projection")) {
    return "per-layer inputs";
  }
  if (contains(name, "layer_scalar") || contains(name, ".router.")) return "scalars";
  return "other";
}

}  // namespace octavo::convert
