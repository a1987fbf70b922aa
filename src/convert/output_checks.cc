#include "convert/output_checks.h"

#include <algorithm>

#include "base/fail.h"
#include "base/output_folder.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"
#include "checkpoint/quantised_layout.h"

namespace octavo::convert {

namespace fs = std::filesystem;

void check_output_path(const fs::path& output, const fs::path& input, bool force) {
  fs::path folder = fs::weakly_canonical(output);
  if (!folder.has_filename()) folder = folder.parent_path();
  if (!input.empty()) {
    const fs::path source = fs::weakly_canonical(input);
    const auto [end, unused] =
        std::mismatch(folder.begin(), folder.end(), source.begin(), source.end());
    if (end == folder.end()) {
      fail(ErrorCode::kBadRequest, "--output {} is the input or contains it; choose another folder",
           output.string());
    }
  }
  if (fs::exists(folder) && !force) {
    fail(ErrorCode::kBadRequest, "--output {} exists; give --force to replace it", output.string());
  }
  if (fs::exists(folder) &&
      !(fs::is_directory(folder) && (fs::is_empty(folder) || fs::exists(folder / "config.json")))) {
    fail(ErrorCode::kBadRequest, "--output {} exists and is no model folder: not replaced",
         output.string());
  }
  check_output_free(output, force);
}

void verify_output(const fs::path& folder, const Plan& plan) {
  const Checkpoint written = Checkpoint::open(folder);
  const ModelConfig config =
      ModelConfig::parse(written.config(), (folder / "config.json").string());
  for (const PlannedTensor& planned : plan.tensors) {
    const auto found = quant_spec_of(written, config, module_path(planned.tensor.name));
    if (found != planned.spec) {
      fail(ErrorCode::kInternal, "{}: reads back as {}, planned {}", planned.tensor.name,
           describe(found), describe(planned.spec));
    }
  }
  const std::vector<std::string> orphans = check_quantised_layout(written, config);
  if (!orphans.empty()) {
    fail(ErrorCode::kInternal, "quantization entry {} belongs to no tensor", orphans.front());
  }
}

}  // namespace octavo::convert
