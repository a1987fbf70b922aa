#include "synth/synth.h"

#include <chrono>

#include "base/fail.h"
#include "base/output_folder.h"
#include "checkpoint/json_file.h"
#include "convert/output_checks.h"
#include "convert/output_config.h"
#include "convert/source_model.h"
#include "octavo/version.h"
#include "synth/shapes.h"
#include "synth/side_files.h"
#include "synth/tensor_writer.h"

namespace octavo::synth {
namespace {

using convert::Plan;
using convert::SourceModel;
using nlohmann::json;

std::string source_name(const SynthOptions& options) {
  return options.like.empty() ? options.config.string() : options.like;
}

SourceModel make_source(const SynthOptions& options) {
  SourceModel source;
  source.config = options.like.empty() ? read_json_file(options.config) : config_like(options.like);
  const std::string name = source_name(options);
  if (!source.config.is_object()) fail(ErrorCode::kBadFile, "{}: not a JSON object", name);
  strip_config(source.config);
  if (options.layers) keep_layers(source.config, *options.layers, name);
  source.parsed = ModelConfig::parse(source.config, name);
  source.inventory = convert::implied_inventory(source.parsed);
  return source;
}

json config_of(const SynthOptions& options, const SourceModel& source, const Plan& plan) {
  json config = source.config;
  if (plan.recipe) {
    config = output_config(source, plan, options.layout, /*awq_groups=*/0);
  } else {
    config["octavo"]["version"] = kVersion;
  }
  config["octavo"]["synthetic_seed"] = options.seed;
  return config;
}

void write_tensors(const SynthOptions& options, const Plan& plan,
                   const std::filesystem::path& folder, const std::function<bool()>& cancelled) {
  const bool source_names = !plan.recipe;
  SafetensorsWriter writer(folder, source_names ? source_tensors(plan) : plan.outputs());
  ThreadPool pool(options.layout.threads);
  Progress progress("writing", plan.payload_bytes(), options.layout.quiet);
  TensorWriter tensors(writer, source_names, options.layout.scale.value_or(ScaleRule::kDefault),
                       options.seed, pool, progress, cancelled);
  for (const convert::PlannedTensor& planned : plan.tensors) tensors.run(planned);
  writer.finish();
}

/// What was written is what the plan, or without one a conversion, expects to read.
void verify(const std::filesystem::path& folder, const SourceModel& source, const Plan& plan) {
  if (plan.recipe) {
    verify_output(folder, plan);
  } else {
    convert::actual_inventory(Checkpoint::open(folder), source.parsed);
  }
}

}  // namespace

void check_options(const SynthOptions& options) {
  if (options.like.empty() == options.config.empty()) {
    fail(ErrorCode::kBadRequest, "give either --like or --config: the shapes to write");
  }
  if (!options.like.empty()) config_like(options.like);
  if (options.layout.output.empty()) {
    fail(ErrorCode::kBadRequest, "--output is missing: the folder to write");
  }
  convert::ConvertOptions layout = options.layout;
  layout.input = source_name(options);
  convert::check_options(layout, /*planning=*/true);
}

SynthReport synthesise(const SynthOptions& options, const std::function<bool()>& cancelled) {
  const auto start = std::chrono::steady_clock::now();
  check_options(options);
  const convert::ConvertOptions& layout = options.layout;
  convert::check_output_path(layout.output, options.config, layout.force);
  const SourceModel source = make_source(options);
  const Plan plan = make_plan(layout, source.inventory);
  check_plan(plan, layout);
  check_vocabulary_size(source.parsed.text.vocab_size, source_name(options));

  OutputFolder folder(layout.output);
  write_tensors(options, plan, folder.path(), cancelled);
  write_side_files(folder.path(), source.parsed);
  // Last, since it is what makes a folder look like a model.
  write_file_atomically(folder.path() / "config.json",
                        config_of(options, source, plan).dump(2) + "\n");
  verify(folder.path(), source, plan);
  folder.commit(layout.force);
  return {
      .tensors = plan.recipe ? plan.output_count() : source_tensors(plan).size(),
      .bytes = plan.payload_bytes(),
      .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()};
}

}  // namespace octavo::synth
