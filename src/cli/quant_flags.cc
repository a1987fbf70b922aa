#include "cli/quant_flags.h"

#include "base/fail.h"
#include "cli/choose.h"

namespace octavo::cli {
namespace {

const std::map<std::string, ScaleRule> kScaleRules = {{"default", ScaleRule::kDefault},
                                                      {"compat", ScaleRule::kCompat},
                                                      {"compat-cpu", ScaleRule::kCompatCpu}};

QuantMode parse_mode(const std::string& text) {
  if (text == "sym8") {
    fail(ErrorCode::kUnsupported,
         "--q-mode sym8 is not supported; use affine, mxfp4, mxfp8 or nvfp4");
  }
  const auto mode = parse_quant_mode(text);
  if (!mode) {
    fail(ErrorCode::kBadRequest, "--q-mode '{}': expected one of affine, mxfp4, mxfp8, nvfp4",
         printable(text));
  }
  return *mode;
}

}  // namespace

void add_quant_flags(CLI::App& command, QuantFlags& flags) {
  const char* group = "Quantisation";
  command.add_flag("-q,--quantize", flags.quantize, "Quantise")->group(group);
  command
      .add_option("--q-bits", flags.bits,
                  "Bits: 2, 3, 4, 5, 6 or 8 (default: 4, mxfp8 8, unsloth 3)")
      ->group(group);
  command
      .add_option("--q-group-size", flags.group_size,
                  "Weights per scale (default: affine 64, mxfp 32, nvfp4 16)")
      ->group(group);
  command.add_option("--q-mode", flags.mode, "affine (default), mxfp4, mxfp8, nvfp4")->group(group);
  command
      .add_flag("--q-mxfp", flags.mxfp,
                "Turn 8- and 4-bit decisions into mxfp8 and mxfp4 where readers allow it")
      ->group(group);
  command
      .add_option("--q-recipe", flags.recipe,
                  "unsloth, mixed_2_6, mixed_3_4, mixed_3_6, mixed_4_6 (default: none)")
      ->group(group);
  command
      .add_option("--q-scale", flags.scale,
                  "default, compat (old Metal rule), compat-cpu (MLX on CPUs)")
      ->group(group);
  command.add_option("--q-rounding", flags.rounding, "nearest")->group(group);
}

void apply_quant_flags(const QuantFlags& flags, const CLI::App& command,
                       convert::ConvertOptions& options) {
  options.quantize = flags.quantize;
  options.mxfp = flags.mxfp;
  options.recipe = flags.recipe;
  if (command.count("--q-bits")) options.bits = flags.bits;
  if (command.count("--q-group-size")) options.group_size = flags.group_size;
  if (!flags.mode.empty()) options.mode = parse_mode(flags.mode);
  if (flags.scale == "search") {
    fail(ErrorCode::kBadRequest,
         "--q-scale search is not available yet; use default, compat or compat-cpu");
  }
  if (!flags.scale.empty()) options.scale = choose(kScaleRules, flags.scale, "--q-scale");
  if (flags.rounding == "feedback") {
    fail(ErrorCode::kBadRequest, "--q-rounding feedback is not available yet; use nearest");
  }
  if (flags.rounding != "nearest") {
    fail(ErrorCode::kBadRequest, "--q-rounding '{}': expected nearest", printable(flags.rounding));
  }
}

}  // namespace octavo::cli
