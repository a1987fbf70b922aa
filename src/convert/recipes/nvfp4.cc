#include "convert/recipes/recipes.h"

namespace octavo::convert {

Recipe with_nvfp4(Recipe inner) {
  inner.name += "+nvfp4";
  inner.top = default_spec(QuantMode::kNvfp4);
  for (Rule& rule : inner.rules) {
    if (!rule.spec) continue;
    if (rule.affine_only) {
      // Where the recipe has no opinion and nvfp4 cannot be read, the safe format.
      if (rule.is_default) rule.spec = QuantSpec{QuantMode::kAffine, 8, 64};
    } else if (rule.spec->bits == 4) {
      rule.spec = inner.top;
    }
  }
  return inner;
}

}  // namespace octavo::convert
