// convert: the recipes, one file each. Sizes: docs/converting.md.
#pragma once

#include "convert/recipe.h"

namespace octavo::convert {

/// What no recipe quantises unless it asks before: norms, scalars, towers, embeddings.
std::vector<Rule> floor_rules();

/// router.proj decides which experts run: always affine 8/64.
Rule router_rule();

/// No recipe: everything above the floor in one format; affine where readers know nothing else.
Recipe plain_recipe(const QuantSpec& top);

/// Unsloth Dynamic, the form that made the published Gemma 4 family (May 2026): `bits` for gate and
/// up, more for what is more sensitive, o_proj dense.
Recipe unsloth_recipe(int bits, int group_size);

/// mixed_L_H: `high` bits for v_proj and down_proj of the first, the last and every third layer.
Recipe mixed_recipe(int low, int high, int group_size, int layers);

/// `--q-mxfp`: 8-bit decisions become mxfp8 and 4-bit ones mxfp4 where readers allow it.
Recipe with_mxfp(Recipe inner);

/// `--q-mode nvfp4` over a recipe made for 4 bits: its 4-bit decisions become nvfp4.
Recipe with_nvfp4(Recipe inner);

}  // namespace octavo::convert
