// `octavo convert`: flags of a conversion, `--plan`, and the closing report.
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "base/fail.h"
#include "cli/choose.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/quant_flags.h"
#include "convert/convert_report.h"
#include "convert/plan_report.h"

namespace octavo::cli {
namespace {

using convert::AwqMode;

/// The flags as typed; names become values in to_options().
struct ConvertFlags {
  convert::ConvertOptions options;
  QuantFlags quant;
  std::string input, output, imatrix, dtype = "bfloat16", awq = "auto";
  bool plan = false, json = false, verbose = false;
};

const std::map<std::string, Dtype> kDtypes = {{"bfloat16", Dtype::kBF16}, {"bf16", Dtype::kBF16},
                                              {"float16", Dtype::kF16},   {"f16", Dtype::kF16},
                                              {"float32", Dtype::kF32},   {"f32", Dtype::kF32}};
const std::map<std::string, AwqMode> kAwqModes = {
    {"auto", AwqMode::kAuto}, {"on", AwqMode::kOn}, {"off", AwqMode::kOff}};

convert::ConvertOptions to_options(const ConvertFlags& flags, const CLI::App& command) {
  convert::ConvertOptions options = flags.options;
  options.input = flags.input;
  options.output = flags.output;
  options.imatrix = flags.imatrix;
  options.dtype = choose(kDtypes, flags.dtype, "--dtype");
  options.awq = choose(kAwqModes, flags.awq, "--awq");
  apply_quant_flags(flags.quant, command, options);
  if (flags.plan && !flags.output.empty()) {
    // Harmless: the same command with --plan shows what it would write.
    options.output.clear();
  }
  return options;
}

/// Every check that needs no file; what fails here is wrong usage.
convert::ConvertOptions checked_options(const ConvertFlags& flags, const CLI::App& command) {
  try {
    convert::ConvertOptions options = to_options(flags, command);
    check_options(options, flags.plan);
    return options;
  } catch (const Error& error) {
    throw CLI::ValidationError(error.what());
  }
}

/// Why the conversion itself would not start; a plan may be looked at all the same.
std::optional<std::string> refusal_of(const convert::Plan& plan, convert::ConvertOptions options) {
  if (options.output.empty()) options.output = "output";  // a plan needs none
  try {
    convert::check_options(options, /*planning=*/false);
    check_plan(plan, options);
  } catch (const Error& error) {
    return error.what();
  }
  return std::nullopt;
}

void print_plan(const convert::ConvertOptions& options, bool json) {
  convert::SourceModel source = open_source(options, /*planning=*/true);
  const convert::Plan plan = make_plan(options, std::move(source.inventory));
  if (options.strict) check_plan(plan, options);
  const std::optional<std::string> refusal = refusal_of(plan, options);
  if (json) {
    nlohmann::ordered_json result = convert::plan_json(plan);
    result["refused"] = refusal ? nlohmann::ordered_json(*refusal) : nlohmann::ordered_json();
    fmt::print("{}\n", result.dump(2));
    return;
  }
  fmt::print("{}", plan_table(plan));
  for (const std::string& note : source.notes) fmt::print("note: {}\n", note);
  if (refusal) fmt::print("note: convert refuses this: {}\n", *refusal);
  if (!options.imatrix.empty()) {
    fmt::print("note: the importance matrix changes no format and is not read for a plan\n");
  }
}

void run_convert(const ConvertFlags& flags, const CLI::App& command) {
  const convert::ConvertOptions options = checked_options(flags, command);
  if (flags.plan) return print_plan(options, flags.json);
  catch_interrupts();
  const convert::ConvertReport report = convert::convert(options, interrupted);
  if (flags.json) {
    fmt::print("{}\n", report_json(report).dump(2));
  } else if (!options.quiet) {
    fmt::print("{}", report_text(report, flags.verbose));
  }
}

void add_quantisation_flags(CLI::App& command, ConvertFlags& flags) {
  const char* group = "Quantisation";
  add_quant_flags(command, flags.quant);
  command
      .add_option("--imatrix-path", flags.imatrix,
                  "Importance matrix of llama.cpp: .gguf, .gguf_file or .dat")
      ->group(group);
  command
      .add_option("--awq", flags.awq,
                  "Fold importance into the weights: auto (integer formats), on, off")
      ->group(group);
}

}  // namespace

void add_convert(CLI::App& app) {
  auto flags = std::make_shared<ConvertFlags>();
  CLI::App* command = app.add_subcommand(
      "convert", "Convert a Hugging Face checkpoint to the MLX layout, quantised or not");
  convert::ConvertOptions& options = flags->options;
  command->add_option("-i,--input", flags->input,
                      "Folder of the checkpoint (with --plan, a config.json will do)");
  command->add_option("-o,--output", flags->output, "Folder to write");
  command->add_option("-d,--dtype", flags->dtype,
                      "Of what stays unquantised: bfloat16 (default), float16, float32");
  command->add_option("-m,--model-type", options.model_type,
                      "gemma4 or gemma4_text (default: from config.json)");
  add_quantisation_flags(*command, *flags);
  command->add_flag("--plan", flags->plan,
                    "Show the decision and the bytes of every tensor class; write nothing");
  command->add_flag("--json", flags->json, "Plan or report as JSON");
  command->add_flag("--strict", options.strict,
                    "Fail if a tensor ends in another format than the flags ask for");
  command->add_flag("--force", options.force, "Overwrite the output; go on with 2 bits");
  command->add_option("--threads", options.threads, "Threads (default: all cores)")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--quiet", options.quiet, "No progress, no report");
  command->add_flag("-v,--verbose", flags->verbose, "Report every skipped AWQ group");
  command->footer(R"(Examples:
  The published MXFP8 layout, 27.58 GB for gemma-4-26b-a4b-it:
    octavo convert -i gemma-4-26b-a4b-it -o out -q --q-bits 8 --q-mxfp --q-recipe unsloth
  What a command would write, from the configuration alone:
    octavo convert --plan -i gemma-4-26b-a4b-it/config.json -q --q-mode mxfp4
  Plain affine 4 bits in groups of 32:
    octavo convert -i gemma-4-26b-a4b-it -o out -q --q-bits 4 --q-group-size 32
  Four bits with an importance matrix folded in:
    octavo convert -i in -o out -q --q-bits 4 --q-recipe unsloth --imatrix-path imatrix.gguf
  The MLX layout in BF16:
    octavo convert -i gemma-4-26b-a4b-it -o out)");
  command->callback([flags, command] { run_convert(*flags, *command); });
}

}  // namespace octavo::cli
