#include "convert/recipes/recipes.h"

namespace octavo::convert {

std::vector<Rule> floor_rules() {
  return {
      {.what = "norms and scalars (no .weight)", .not_a_weight = true},
      {.what = "vision and audio towers",
       .contains = {"vision_tower", "visual.", "vision_encoder.", "vision_embedder", "audio_tower",
                    "audio_encoder", "multi_modal_projector"}},
      {.what = "embeddings and head", .contains = {"embed_tokens", "embedding.", "lm_head"}},
      {.what = "norms", .contains = {"layernorm", "rms_norm", "_norm."}},
      {.what = "per-layer input matrices",
       .contains = {"per_layer_model_projection", "per_layer_input_gate", "per_layer_projection"}},
      {.what = "convolutions", .contains = {"conv1d"}},
  };
}

Rule router_rule() {
  return {.what = "router.proj",
          .contains = {".router.proj."},
          .spec = QuantSpec{QuantMode::kAffine, 8, 64},
          .affine_only = true};
}

Recipe plain_recipe(const QuantSpec& top) {
  const bool affine = top.mode == QuantMode::kAffine;
  Recipe recipe{.name = "none", .top = top, .rules = floor_rules()};
  recipe.rules.push_back(router_rule());
  recipe.rules.push_back({.what = "projections into the text model",
                          .contains = {"embedding_projection"},
                          .spec = affine ? top : QuantSpec{QuantMode::kAffine, 8, 64},
                          .is_default = affine,
                          .affine_only = true});
  recipe.rules.push_back({.what = "all other matrices", .spec = top, .is_default = true});
  return recipe;
}

}  // namespace octavo::convert
