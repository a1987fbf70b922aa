// synth: a checkpoint of random weights with the shapes of a real model, for measuring speed and
// testing without one. What it says is noise.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "convert/options.h"

namespace octavo::synth {

struct SynthOptions {
  std::string like;               // a member of the family (shapes.h), or
  std::filesystem::path config;   // any config.json
  std::optional<int64_t> layers;  // keep only the first ones
  uint64_t seed = 1;
  /// The layout; of the rest only output, force, threads and quiet are looked at. Without
  /// quantisation the result is in BF16 under the names of the original, as convert reads it.
  convert::ConvertOptions layout;
};

struct SynthReport {
  size_t tensors = 0;
  uint64_t bytes = 0;  // of the tensors
  double seconds = 0;
};

/// Throws kBadRequest for options that cannot work, before any file is read.
void check_options(const SynthOptions& options);

/// Writes the folder. `cancelled` is asked between blocks; once it is true the output is removed
/// and Error(kCancelled) thrown.
SynthReport synthesise(const SynthOptions& options,
                       const std::function<bool()>& cancelled = nullptr);

}  // namespace octavo::synth
