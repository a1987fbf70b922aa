// convert: what the caller asked for, and every check that needs no weights.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "checkpoint/tensor_view.h"
#include "convert/recipe.h"
#include "numerics/quantize.h"

namespace octavo::convert {

enum class AwqMode {
  kAuto,  // where it is legal and the scaled matrix becomes an integer format
  kOn,    // every legal group
  kOff,
};

struct ConvertOptions {
  std::filesystem::path input;
  std::filesystem::path output;
  Dtype dtype = Dtype::kBF16;  // of tensors that stay dense
  std::string model_type;      // empty: what config.json says

  bool quantize = false;
  std::optional<int> bits;
  std::optional<int> group_size;
  std::optional<QuantMode> mode;
  bool mxfp = false;
  std::string recipe;  // empty: none
  std::optional<ScaleRule> scale;

  std::filesystem::path imatrix;
  AwqMode awq = AwqMode::kAuto;

  bool strict = false;
  bool force = false;
  int threads = 0;  // 0: all cores
  bool quiet = false;
};

/// Throws kBadRequest (or kUnsupported) for every combination of flags that cannot work, before any
/// file is read. `planning` relaxes what only matters when bytes are written.
void check_options(const ConvertOptions& options, bool planning);

/// The recipe that the options name, for a model of `layers` layers; nullopt without quantisation.
/// Options must have passed check_options().
std::optional<Recipe> make_recipe(const ConvertOptions& options, int layers);

}  // namespace octavo::convert
