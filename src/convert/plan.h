// convert: the decision for every tensor, with the shapes and bytes of the output, before any
// weight is read.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "convert/inventory.h"
#include "convert/options.h"
#include "convert/recipe.h"

namespace octavo::convert {

struct PlannedTensor {
  InventoryTensor tensor;
  std::string tensor_class;
  std::optional<QuantSpec> spec;    // nullopt: dense
  std::optional<QuantSpec> wanted;  // set where the recipe asked for a format that does not fit
  Dtype dtype = Dtype::kBF16;       // of the values written (dense) or encoded (quantised)

  /// The tensors of the output file: one if dense, else weight, scales and for affine biases.
  std::vector<TensorPlan> outputs() const;
  uint64_t bytes() const;
};

struct Plan {
  std::vector<PlannedTensor> tensors;  // sorted by name
  std::optional<Recipe> recipe;
  QuantSpec top;  // the triple at the head of the quantization block; describes real tensors

  uint64_t payload_bytes() const;
  size_t output_count() const;
  std::vector<TensorPlan> outputs() const;
  std::map<QuantMode, int> modules() const;

  /// Tensors that the recipe wanted quantised, but whose rows cannot be cut into groups.
  std::vector<const PlannedTensor*> ungroupable() const;
};

Plan make_plan(const ConvertOptions& options, std::vector<InventoryTensor> inventory);

/// Throws kBadRequest if an expert stack would stay dense in a quantised model, or, under --strict,
/// if any tensor ends in another format than the flags ask for.
void check_plan(const Plan& plan, const ConvertOptions& options);

}  // namespace octavo::convert
