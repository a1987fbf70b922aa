#include <fmt/format.h>

#include "convert/recipes/recipes.h"

namespace octavo::convert {
namespace {

std::vector<int> eligible_layers(int layers) {
  std::vector<int> eligible;
  for (int i = 0; i < layers; ++i) {
    if (i < layers / 8 || i >= layers - layers / 8 || i % 3 == 0) eligible.push_back(i);
  }
  return eligible;
}

}  // namespace

Recipe mixed_recipe(int low, int high, int group_size, int layers) {
  const QuantSpec low_spec{QuantMode::kAffine, low, group_size};
  const QuantSpec high_spec{QuantMode::kAffine, high, group_size};
  Recipe recipe{.name = fmt::format("mixed_{}_{}", low, high), .top = low_spec};
  recipe.rules.push_back({.what = "lm_head (if not tied)",
                          .contains = {"lm_head"},
                          .spec = high_spec,
                          .affine_only = true});
  for (Rule& rule : floor_rules()) recipe.rules.push_back(std::move(rule));
  recipe.rules.push_back(router_rule());
  std::vector<int> eligible = eligible_layers(layers);
  if (!eligible.empty()) {
    recipe.rules.push_back({.what = "v and down, outer and third layers",
                            .contains = {"v_proj", "down_proj"},
                            .layers = std::move(eligible),
                            .spec = high_spec});
  }
  recipe.rules.push_back({.what = "projections into the text model",
                          .contains = {"embedding_projection"},
                          .spec = low_spec,
                          .affine_only = true});
  recipe.rules.push_back({.what = "all other matrices", .spec = low_spec});
  return recipe;
}

}  // namespace octavo::convert
