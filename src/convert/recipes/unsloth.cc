#include "convert/recipes/recipes.h"

namespace octavo::convert {
namespace {

/// The next width that packs well: 7 becomes 8, everything above stays at 8.
int snap(int bits) {
  if (bits <= 2) return 2;
  return bits >= 7 ? 8 : bits;
}

}  // namespace

Recipe unsloth_recipe(int bits, int group_size) {
  const auto affine = [&](int wanted) {
    return QuantSpec{QuantMode::kAffine, snap(wanted), group_size};
  };
  const QuantSpec top{QuantMode::kAffine, bits, group_size};
  Recipe recipe{.name = "unsloth", .top = top};
  recipe.rules = {
      {.what = "embed_tokens (input and tied head)",
       .contains = {"embed_tokens.weight", "embed_tokens_per_layer.weight"},
       .spec = affine(bits + 2),
       .affine_only = true},
      {.what = "lm_head (if not tied)",
       .contains = {"lm_head"},
       .spec = affine(bits + 3),
       .affine_only = true},
  };
  for (Rule& rule : floor_rules()) recipe.rules.push_back(std::move(rule));
  recipe.rules.push_back(router_rule());
  recipe.rules.push_back({.what = "q, k and v projections",
                          .contains = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
                          .spec = affine(bits + 2)});
  // No norm can absorb a scale for o_proj, and it is sensitive: it keeps its 16 bits.
  recipe.rules.push_back({.what = "o_proj", .contains = {"self_attn.o_proj"}});
  recipe.rules.push_back(
      {.what = "down projections", .contains = {"down_proj"}, .spec = affine(bits + 1)});
  recipe.rules.push_back({.what = "projections into the text model",
                          .contains = {"embedding_projection"},
                          .spec = top,
                          .is_default = true,
                          .affine_only = true});
  recipe.rules.push_back({.what = "gate, up and the rest", .spec = top, .is_default = true});
  return recipe;
}

}  // namespace octavo::convert
