// convert: what is checked of the output folder: before the work that it can be written, and after
// it that it reads back as planned.
#pragma once

#include <filesystem>

#include "convert/plan.h"

namespace octavo::convert {

/// Throws kBadRequest if `output` is `input` or contains it (--force would delete it), or exists
/// and is not to be replaced: without `force`, or because it is no model folder. An empty `input`
/// stands for none.
void check_output_path(const std::filesystem::path& output, const std::filesystem::path& input,
                       bool force);

/// Reads back what a reader of the new folder will see: every quantised module has a triple that
/// fits its tensors and is the planned one, and every override has a module.
void verify_output(const std::filesystem::path& folder, const Plan& plan);

}  // namespace octavo::convert
