// cli: the flags that choose a quantised layout, the same for every command that writes one.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "convert/options.h"

namespace octavo::cli {

/// The flags as typed.
struct QuantFlags {
  bool quantize = false, mxfp = false;
  std::string recipe, mode, scale, rounding = "nearest";
  int bits = 0, group_size = 0;
};

/// Adds the flags to `command`, under the heading "Quantisation".
void add_quant_flags(CLI::App& command, QuantFlags& flags);

/// Puts what was typed into `options`. Throws kBadRequest or kUnsupported for unknown names.
void apply_quant_flags(const QuantFlags& flags, const CLI::App& command,
                       convert::ConvertOptions& options);

}  // namespace octavo::cli
