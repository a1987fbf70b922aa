// `octavo convert`: flags of a conversion, `--plan`, and the closing report.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>

#include "base/fail.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "convert/convert_report.h"
#include "convert/plan_report.h"

namespace octavo::cli {
namespace {

using convert::AwqMode;

/// The flags as typed; names become values in to_options().
struct ConvertFlags {
  convert::ConvertOptions options;
  std::string input, output, imatrix, dtype = "bfloat16", mode, scale, rounding = "nearest",
                                      awq = "auto";
  int bits = 0, group_size = 0;
  bool plan = false, json = false, verbose = false;
};

const std::map<std::string, Dtype> kDtypes = {{"bfloat16", Dtype::kBF16}, {"bf16", Dtype::kBF16},
                                              {"float16", Dtype::kF16},   {"f16", Dtype::kF16},
                                              {"float32", Dtype::kF32},   {"f32", Dtype::kF32}};
const std::map<std::string, AwqMode> kAwqModes = {
    {"auto", AwqMode::kAuto}, {"on", AwqMode::kOn}, {"off", AwqMode::kOff}};
const std::map<std::string, ScaleRule> kScaleRules = {{"default", ScaleRule::kDefault},
                                                      {"compat", ScaleRule::kCompat},
                                                      {"compat-cpu", ScaleRule::kCompatCpu}};

template <typename Value>
Value choose(const std::map<std::string, Value>& choices, const std::string& text,
             const char* flag) {
  const auto found = choices.find(text);
  if (found != choices.end()) return found->second;
  std::string known;
  for (const auto& [name, value] : choices) known += (known.empty() ? "" : ", ") + name;
  fail(ErrorCode::kBadRequest, "{} '{}': expected one of {}", flag, printable(text), known);
}

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

convert::ConvertOptions to_options(const ConvertFlags& flags, const CLI::App& command) {
  convert::ConvertOptions options = flags.options;
  options.input = flags.input;
  options.output = flags.output;
  options.imatrix = flags.imatrix;
  options.dtype = choose(kDtypes, flags.dtype, "--dtype");
  options.awq = choose(kAwqModes, flags.awq, "--awq");
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
  command.add_flag("-q,--quantize", flags.options.quantize, "Quantise")->group(group);
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
      .add_flag("--q-mxfp", flags.options.mxfp,
                "Turn 8- and 4-bit decisions into mxfp8 and mxfp4 where readers allow it")
      ->group(group);
  command
      .add_option("--q-recipe", flags.options.recipe,
                  "unsloth, mixed_2_6, mixed_3_4, mixed_3_6, mixed_4_6 (default: none)")
      ->group(group);
  command
      .add_option("--q-scale", flags.scale,
                  "default, compat (old Metal rule), compat-cpu (MLX on CPUs)")
      ->group(group);
  command.add_option("--q-rounding", flags.rounding, "nearest")->group(group);
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
