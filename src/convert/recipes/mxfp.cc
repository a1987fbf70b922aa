#include "convert/recipes/recipes.h"

namespace octavo::convert {

Recipe with_mxfp(Recipe inner) {
  inner.name += "+mxfp";
  for (Rule& rule : inner.rules) {
    if (!rule.spec || rule.affine_only) continue;
    // Other widths have no microscaling format and stay affine.
    if (rule.spec->bits == 8) rule.spec = default_spec(QuantMode::kMxfp8);
    if (rule.spec->bits == 4) rule.spec = default_spec(QuantMode::kMxfp4);
  }
  return inner;
}

}  // namespace octavo::convert
