#include "convert/plan.h"

#include <algorithm>

#include "base/checked.h"
#include "base/fail.h"

namespace octavo::convert {
namespace {

bool is_float(Dtype dtype) {
  return dtype == Dtype::kBF16 || dtype == Dtype::kF16 || dtype == Dtype::kF32 ||
         dtype == Dtype::kF64;
}

/// Rows of whole groups, and nothing that is an index or a mask.
bool can_group(const InventoryTensor& tensor, const QuantSpec& spec) {
  return tensor.shape.size() >= 2 && tensor.shape.back() > 0 &&
         tensor.shape.back() % spec.group_size == 0 && is_float(tensor.dtype);
}

PlannedTensor plan_tensor(const ConvertOptions& options, const std::optional<Recipe>& recipe,
                          InventoryTensor tensor) {
  PlannedTensor planned;
  planned.tensor_class = tensor_class(tensor.name);
  planned.dtype = is_float(tensor.dtype) ? options.dtype : tensor.dtype;
  if (recipe) {
    const Rule& rule = recipe->rule_for(tensor.name);
    if (rule.spec && can_group(tensor, *rule.spec)) {
      planned.spec = rule.spec;
    } else if (rule.spec && tensor.shape.size() >= 2) {
      planned.wanted = rule.spec;
    }
  }
  planned.tensor = std::move(tensor);
  return planned;
}

int highest_layer(const std::vector<InventoryTensor>& inventory) {
  int highest = -1;
  for (const InventoryTensor& tensor : inventory) {
    highest = std::max(highest, layer_index(tensor.name));
  }
  return highest;
}

/// The recipe's own triple if some tensor has it, else the commonest one: a head that describes no
/// tensor misleads readers that know no overrides.
QuantSpec choose_top(const Plan& plan) {
  std::vector<std::pair<QuantSpec, int>> counts;
  for (const PlannedTensor& planned : plan.tensors) {
    if (!planned.spec) continue;
    if (*planned.spec == plan.recipe->top) return plan.recipe->top;
    const auto known = std::find_if(counts.begin(), counts.end(), [&](const auto& entry) {
      return entry.first == *planned.spec;
    });
    if (known == counts.end()) {
      counts.emplace_back(*planned.spec, 1);
    } else {
      ++known->second;
    }
  }
  const auto best =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return best == counts.end() ? plan.recipe->top : best->first;
}

/// What --q-mxfp asks for everywhere, but has only for 4 and 8 bits.
bool left_affine(const Recipe& recipe, const PlannedTensor& planned) {
  return planned.spec && planned.spec->mode == QuantMode::kAffine &&
         !recipe.rule_for(planned.tensor.name).affine_only;
}

}  // namespace

std::vector<TensorPlan> PlannedTensor::outputs() const {
  if (!spec) return {{.name = tensor.name, .dtype = dtype, .shape = tensor.shape}};
  const int64_t width = tensor.shape.back();
  const std::string path(module_path(tensor.name));
  const auto with_width = [&](const char* suffix, Dtype type, int64_t last) {
    TensorPlan plan{.name = path + suffix, .dtype = type, .shape = tensor.shape};
    plan.shape.back() = last;
    return plan;
  };
  const Dtype side = spec->has_biases() ? Dtype::kBF16 : Dtype::kU8;
  std::vector<TensorPlan> result{with_width(".weight", Dtype::kU32, spec->weight_bytes(width) / 4),
                                 with_width(".scales", side, spec->groups(width))};
  if (spec->has_biases()) result.push_back(with_width(".biases", side, spec->groups(width)));
  return result;
}

uint64_t PlannedTensor::bytes() const {
  uint64_t total = 0;
  for (const TensorPlan& output : outputs()) {
    total = checked_add(total, output.bytes(), output.name);
  }
  return total;
}

uint64_t Plan::payload_bytes() const {
  uint64_t total = 0;
  for (const PlannedTensor& planned : tensors) {
    total = checked_add(total, planned.bytes(), "output");
  }
  return total;
}

size_t Plan::output_count() const {
  return outputs().size();
}

std::vector<TensorPlan> Plan::outputs() const {
  std::vector<TensorPlan> all;
  for (const PlannedTensor& planned : tensors) {
    for (TensorPlan& output : planned.outputs()) all.push_back(std::move(output));
  }
  return all;
}

std::map<QuantMode, int> Plan::modules() const {
  std::map<QuantMode, int> counts;
  for (const PlannedTensor& planned : tensors) {
    if (planned.spec) ++counts[planned.spec->mode];
  }
  return counts;
}

std::vector<const PlannedTensor*> Plan::ungroupable() const {
  std::vector<const PlannedTensor*> found;
  for (const PlannedTensor& planned : tensors) {
    if (planned.wanted) found.push_back(&planned);
  }
  return found;
}

Plan make_plan(const ConvertOptions& options, std::vector<InventoryTensor> inventory) {
  Plan plan;
  plan.recipe = make_recipe(options, highest_layer(inventory) + 1);
  for (InventoryTensor& tensor : inventory) {
    plan.tensors.push_back(plan_tensor(options, plan.recipe, std::move(tensor)));
  }
  if (plan.recipe) plan.top = choose_top(plan);
  return plan;
}

void check_plan(const Plan& plan, const ConvertOptions& options) {
  if (!plan.recipe) return;
  for (const PlannedTensor& planned : plan.tensors) {
    if (is_expert_stack(planned.tensor.name) && !planned.spec && !options.force) {
      fail(ErrorCode::kBadRequest,
           "{}: the expert stack would stay dense ({} does not fit its rows of {}); choose another "
           "group size, or give --force",
           planned.tensor.name, describe(planned.wanted), planned.tensor.shape.back());
    }
    if (options.strict && planned.wanted) {
      fail(ErrorCode::kBadRequest,
           "--strict: {} cannot become {}: its rows of {} are not whole groups",
           planned.tensor.name, describe(planned.wanted), planned.tensor.shape.back());
    }
    if (options.strict && options.mxfp && left_affine(*plan.recipe, planned)) {
      fail(ErrorCode::kBadRequest, "--strict: --q-mxfp leaves {} at {}", planned.tensor.name,
           describe(planned.spec));
    }
  }
}

}  // namespace octavo::convert
