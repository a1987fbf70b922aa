#include "convert/recipe.h"

#include <algorithm>

#include "base/fail.h"
#include "convert/names.h"

namespace octavo::convert {

bool Rule::matches(std::string_view name) const {
  if (not_a_weight && name.ends_with(".weight")) return false;
  if (!contains.empty() && std::none_of(contains.begin(), contains.end(), [&](const auto& part) {
        return name.find(part) != std::string_view::npos;
      })) {
    return false;
  }
  return layers.empty() ||
         std::find(layers.begin(), layers.end(), layer_index(name)) != layers.end();
}

const Rule& Recipe::rule_for(std::string_view tensor) const {
  for (const Rule& rule : rules) {
    if (rule.matches(tensor)) return rule;
  }
  fail(ErrorCode::kInternal, "recipe {}: no rule for tensor {}", name, tensor);
}

std::string describe(const std::optional<QuantSpec>& spec) {
  if (!spec) return "dense";
  return fmt::format("{} {}/{}", to_string(spec->mode), spec->bits, spec->group_size);
}

std::string describe(const Recipe& recipe) {
  std::string text = fmt::format("recipe {} (version {}), top level {}\n", recipe.name,
                                 recipe.version, describe(recipe.top));
  for (const Rule& rule : recipe.rules) {
    text += fmt::format("  {:<34} {}\n", rule.what, describe(rule.spec));
  }
  return text;
}

}  // namespace octavo::convert
