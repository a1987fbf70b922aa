#include "convert/converter.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "base/fail.h"
#include "base/output_folder.h"
#include "convert/output_checks.h"
#include "convert/output_config.h"
#include "convert/side_files.h"
#include "convert/tensor_stream.h"

namespace octavo::convert {
namespace {

namespace fs = std::filesystem;

/// Planned tensors in the order in which the writer lays them out.
std::vector<const PlannedTensor*> in_file_order(const Plan& plan, const SafetensorsWriter& writer) {
  std::map<std::string, const PlannedTensor*> by_output;
  for (const PlannedTensor& planned : plan.tensors) {
    for (const TensorPlan& output : planned.outputs()) by_output.emplace(output.name, &planned);
  }
  std::vector<const PlannedTensor*> order;
  for (const TensorPlan& output : writer.order()) {
    const auto found = by_output.find(output.name);
    if (found == by_output.end()) continue;  // another output of a tensor that is in line already
    const PlannedTensor* planned = found->second;
    order.push_back(planned);
    for (const TensorPlan& same : planned->outputs()) by_output.erase(same.name);
  }
  return order;
}

ClassReport& class_of(ConvertReport& report, const PlannedTensor& planned) {
  for (ClassReport& known : report.classes) {
    if (known.tensor_class == planned.tensor_class && known.spec == planned.spec) return known;
  }
  report.classes.push_back(
      {.tensor_class = planned.tensor_class, .spec = planned.spec, .error = {}});
  return report.classes.back();
}

void stream_all(const SourceModel& source, const fs::path& folder, const ConvertOptions& options,
                const std::function<bool()>& cancelled, ConvertReport& report) {
  const Plan& plan = report.plan;
  SafetensorsWriter writer(folder, plan.outputs());
  ThreadPool pool(options.threads);
  for (const PlannedTensor& planned : plan.tensors) {
    const uint64_t size = source.checkpoint->get(planned.tensor.source).bytes.size();
    report.source_bytes += planned.tensor.part == Part::kWhole ? size : size / 2;
  }
  Progress progress("converting", report.source_bytes, options.quiet);
  TensorStream stream(*source.checkpoint, writer, options.scale.value_or(ScaleRule::kDefault), pool,
                      progress, cancelled);
  for (const PlannedTensor* planned : in_file_order(plan, writer)) {
    const auto scaling = report.awq.tensors.find(planned->tensor.name);
    const QuantError error =
        stream.run(*planned, scaling == report.awq.tensors.end() ? nullptr : &scaling->second);
    ClassReport& line = class_of(report, *planned);
    ++line.tensors;
    line.bytes += planned->bytes();
    line.error += error;
    if (planned->spec && is_expert_stack(planned->tensor.name)) ++report.expert_stacks;
  }
  report.awq_inexact = stream.inexact();
  if (const uint64_t clipped = report.clipped_mxfp8_groups();
      clipped > 0 && options.scale.value_or(ScaleRule::kDefault) == ScaleRule::kDefault) {
    fail(ErrorCode::kInternal, "{} mxfp8 groups were clipped though scales are rounded up",
         clipped);
  }
  source.checkpoint->check_unchanged();
  writer.finish();
}

void read_importance(const SourceModel& source, const ConvertOptions& options,
                     ConvertReport& report) {
  if (options.imatrix.empty()) {
    if (options.recipe == "unsloth") {
      report.notes.push_back("no importance matrix is used (--imatrix-path not given)");
    }
    return;
  }
  const Importance importance(options.imatrix, source.inventory, naming_of(source.parsed));
  report.used_imatrix = true;
  report.imatrix_matched = importance.matched();
  report.imatrix_unmatched = importance.unmatched();
  report.awq = plan_awq(report.plan, importance, options.awq);
  if (report.awq.groups == 0) {
    report.notes.push_back(
        options.awq == AwqMode::kAuto
            ? "the importance matrix changed no weight: no group feeds only integer formats "
              "(--awq on scales every legal group)"
            : "the importance matrix changed no weight");
  }
}

}  // namespace

double ClassReport::relative_rmse() const {
  return error.squared_weight > 0 ? std::sqrt(error.squared_error / error.squared_weight) : 0;
}

uint64_t ConvertReport::clipped_mxfp8_groups() const {
  uint64_t clipped = 0;
  for (const ClassReport& line : classes) {
    if (line.spec && line.spec->mode == QuantMode::kMxfp8) clipped += line.error.clipped_groups;
  }
  return clipped;
}

ConvertReport convert(const ConvertOptions& options, const std::function<bool()>& cancelled) {
  const auto start = std::chrono::steady_clock::now();
  check_options(options, /*planning=*/false);
  check_output_path(options.output, options.input, options.force);
  const SourceModel source = open_source(options, /*planning=*/false);
  ConvertReport report;
  report.notes = source.notes;
  report.plan = make_plan(options, source.inventory);
  check_plan(report.plan, options);
  for (const PlannedTensor* planned : report.plan.ungroupable()) {
    report.notes.push_back(fmt::format("{} stays {}: its rows of {} do not fit {}",
                                       printable(planned->tensor.name), to_string(planned->dtype),
                                       planned->tensor.shape.back(), describe(planned->wanted)));
  }
  read_importance(source, options, report);

  OutputFolder folder(options.output);
  stream_all(source, folder.path(), options, cancelled, report);
  report.copied = copy_side_files(options.input, folder.path());
  // Last, since it is what makes a folder look like a model.
  write_file_atomically(
      folder.path() / "config.json",
      output_config(source, report.plan, options, report.awq.groups).dump(2) + "\n");
  verify_output(folder.path(), report.plan);
  folder.commit(options.force);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace octavo::convert
