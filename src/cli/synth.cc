// `octavo synth`: a checkpoint of random weights with a real model's shapes.
#include "synth/synth.h"

#include <fmt/format.h>

#include <memory>

#include "base/fail.h"
#include "base/progress.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/quant_flags.h"

namespace octavo::cli {
namespace {

/// The flags as typed.
struct SynthFlags {
  synth::SynthOptions options;
  QuantFlags quant;
  std::string config, output, recipe;
  int64_t layers = 0;
  bool bf16 = false;
};

/// `--recipe unsloth` is the published layout; the mixed recipes fix all there is to fix.
void apply_recipe(const std::string& recipe, convert::ConvertOptions& layout) {
  layout.quantize = true;
  layout.recipe = recipe;
  if (recipe == "unsloth") {
    layout.bits = 8;
    layout.mxfp = true;
  }
}

synth::SynthOptions to_options(const SynthFlags& flags, const CLI::App& command) {
  synth::SynthOptions options = flags.options;
  options.config = flags.config;
  options.layout.output = flags.output;
  if (command.count("--layers")) options.layers = flags.layers;
  apply_quant_flags(flags.quant, command, options.layout);
  const bool quantised = options.layout.quantize || !flags.recipe.empty();
  if (flags.bf16 && quantised) {
    fail(ErrorCode::kBadRequest, "--bf16 is the layout without quantisation: leave out -q");
  }
  if (!flags.recipe.empty()) {
    const convert::ConvertOptions& layout = options.layout;
    if (layout.quantize || layout.bits || layout.group_size || layout.mode || layout.mxfp ||
        !layout.recipe.empty()) {
      fail(ErrorCode::kBadRequest,
           "--recipe stands for a whole layout: give it alone, or -q with --q-recipe and the rest");
    }
    apply_recipe(flags.recipe, options.layout);
  }
  return options;
}

/// Every check that needs no file; what fails here is wrong usage.
synth::SynthOptions checked_options(const SynthFlags& flags, const CLI::App& command) {
  try {
    synth::SynthOptions options = to_options(flags, command);
    check_options(options);
    return options;
  } catch (const Error& error) {
    throw CLI::ValidationError(error.what());
  }
}

void run_synth(const SynthFlags& flags, const CLI::App& command) {
  const synth::SynthOptions options = checked_options(flags, command);
  catch_interrupts();
  const synth::SynthReport report = synth::synthesise(options, interrupted);
  if (options.layout.quiet) return;
  fmt::print("{}: {} tensors, {} in {} s\n", options.layout.output.string(), report.tensors,
             format_bytes(static_cast<double>(report.bytes)),
             fmt::format("{:.1f}", report.seconds));
}

}  // namespace

void add_synth(CLI::App& app) {
  auto flags = std::make_shared<SynthFlags>();
  CLI::App* command = app.add_subcommand(
      "synth", "Write a checkpoint of random weights with a real model's shapes");
  synth::SynthOptions& options = flags->options;
  command->add_option("--like", options.like, "Shapes of 26b-a4b, 31b, e2b or e4b");
  command->add_option("--config", flags->config, "Shapes of any config.json of the family");
  command->add_option("--layers", flags->layers, "Keep the first layers only (default: all)");
  command->add_option("-o,--output", flags->output, "Folder to write");
  command->add_option("--recipe", flags->recipe,
                      "Layout by name: unsloth (the published one: --q-bits 8 --q-mxfp), mixed_…");
  command->add_flag("--bf16", flags->bf16,
                    "Hugging Face layout in BF16, ready to be converted (the default)");
  command->add_option("--seed", options.seed, "Another seed, other weights (default: 1)");
  add_quant_flags(*command, flags->quant);
  command->add_flag("--force", options.layout.force, "Overwrite the output");
  command->add_option("--threads", options.layout.threads, "Threads (default: all cores)")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--quiet", options.layout.quiet, "No progress, no report");
  command->footer(R"(Examples:
  Twelve layers of the 26B-A4B model in the published MXFP8 layout, 11.05 GB:
    octavo synth --like 26b-a4b --layers 12 --recipe unsloth -o synth-12
  The whole model in MXFP4:
    octavo synth --like 26b-a4b -q --q-mode mxfp4 -o synth-mxfp4
  Something to convert:
    octavo synth --like 26b-a4b --layers 6 --bf16 -o synth-bf16)");
  command->callback([flags, command] { run_synth(*flags, *command); });
}

}  // namespace octavo::cli
