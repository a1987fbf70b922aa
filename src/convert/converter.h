// convert: runs a plan: streams every tensor from the source into a new folder.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "convert/awq.h"
#include "convert/plan.h"
#include "convert/source_model.h"

namespace octavo::convert {

/// What became of the tensors of one class.
struct ClassReport {
  std::string tensor_class;
  std::optional<QuantSpec> spec;
  int tensors = 0;
  uint64_t bytes = 0;
  QuantError error;  // summed; all zero for dense tensors

  /// sqrt(Σ (w − decoded)² / Σ w²)
  double relative_rmse() const;
};

struct ConvertReport {
  Plan plan;
  std::vector<ClassReport> classes;
  uint64_t source_bytes = 0;
  double seconds = 0;
  int expert_stacks = 0;  // all of them were quantised, or the conversion failed

  bool used_imatrix = false;
  size_t imatrix_matched = 0;
  std::vector<std::string> imatrix_unmatched;
  AwqPlan awq;
  uint64_t awq_inexact = 0;  // values that a scale pushed below the normal numbers

  std::vector<std::string> copied;  // side files
  std::vector<std::string> notes;   // what the user should know

  /// Of the mxfp8 matrices: rounding scales up leaves none. Other formats clip on purpose.
  uint64_t clipped_mxfp8_groups() const;
};

/// Converts. `cancelled` is asked between blocks; once it is true the output is removed and
/// Error(kCancelled) thrown. Peak memory is a few MiB per thread, whatever the size of the model.
ConvertReport convert(const ConvertOptions& options,
                      const std::function<bool()>& cancelled = nullptr);

}  // namespace octavo::convert
