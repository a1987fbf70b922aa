// convert: a recipe: an ordered table of rules that says how every tensor is stored. Data, not
// code: it can be printed, compared and tested.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "numerics/quant_spec.h"

namespace octavo::convert {

/// The first rule that matches a tensor's output name decides. An empty condition holds for all.
struct Rule {
  std::string what;                              // for people: "q/k/v projections"
  std::vector<std::string> contains = {};        // one of these occurs in the name
  std::vector<int> layers = {};                  // one of these layers
  bool not_a_weight = false;                     // names that do not end in ".weight"
  std::optional<QuantSpec> spec = std::nullopt;  // nullopt: stays dense
  bool is_default = false;                       // the recipe has no opinion: the top-level format
  bool affine_only = false;                      // readers of these tensors know affine alone

  bool matches(std::string_view name) const;
};

struct Recipe {
  std::string name;  // "unsloth+mxfp"; "none"
  int version = 1;   // a change of behaviour is a new name or version
  QuantSpec top;     // the triple at the head of the quantization block
  std::vector<Rule> rules = {};

  /// The rule for a tensor (by output name): there always is one, the last rule matches all.
  const Rule& rule_for(std::string_view tensor) const;
};

/// "affine 8/64", "mxfp8 8/32", "dense".
std::string describe(const std::optional<QuantSpec>& spec);

/// The rules as a table, one per line, for `--plan`.
std::string describe(const Recipe& recipe);

}  // namespace octavo::convert
