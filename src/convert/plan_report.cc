#include "convert/plan_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/fail.h"
#include "base/progress.h"

namespace octavo::convert {
namespace {

using nlohmann::ordered_json;

struct ClassLine {
  std::string tensor_class, format, shape;
  int count = 0;
  uint64_t bytes = 0;
  bool same_shape = true;
};

std::string shape_text(const std::vector<int64_t>& shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, " x "));
}

std::string dense_format(Dtype dtype) {
  return std::string(to_string(dtype));
}

/// One line per class and format, in the order of first appearance.
std::vector<ClassLine> summarise(const Plan& plan) {
  std::vector<ClassLine> lines;
  for (const PlannedTensor& planned : plan.tensors) {
    const std::string format = planned.spec ? describe(planned.spec) : dense_format(planned.dtype);
    ClassLine* line = nullptr;
    for (ClassLine& known : lines) {
      if (known.tensor_class == planned.tensor_class && known.format == format) line = &known;
    }
    if (!line) {
      lines.push_back({.tensor_class = planned.tensor_class,
                       .format = format,
                       .shape = shape_text(planned.tensor.shape)});
      line = &lines.back();
    }
    line->same_shape = line->same_shape && line->shape == shape_text(planned.tensor.shape);
    ++line->count;
    line->bytes += planned.bytes();
  }
  return lines;
}

ordered_json entry_json(const TensorPlan& output, const std::optional<QuantSpec>& spec) {
  ordered_json entry{{"name", output.name},    {"dtype", to_string(output.dtype)},
                     {"shape", output.shape},  {"mode", nullptr},
                     {"bits", nullptr},        {"group_size", nullptr},
                     {"bytes", output.bytes()}};
  if (spec) {
    entry["mode"] = to_string(spec->mode);
    entry["bits"] = spec->bits;
    entry["group_size"] = spec->group_size;
  }
  return entry;
}

}  // namespace

std::string plan_table(const Plan& plan) {
  std::string text = plan.recipe ? describe(*plan.recipe) + "\n" : "no quantisation\n\n";
  text += fmt::format("{:<22} {:<12} {:>6}  {:<22} {:>16}\n", "tensor class", "format", "count",
                      "shape", "bytes");
  for (const ClassLine& line : summarise(plan)) {
    text += fmt::format("{:<22} {:<12} {:>6}  {:<22} {:>16}\n", line.tensor_class, line.format,
                        line.count, line.same_shape ? line.shape : "several", line.bytes);
  }
  const uint64_t bytes = plan.payload_bytes();
  text +=
      fmt::format("\n{} tensors, {} bytes ({}, {:.2f} GiB)", plan.output_count(), bytes,
                  format_bytes(static_cast<double>(bytes)), static_cast<double>(bytes) / (1 << 30));
  for (const auto& [mode, count] : plan.modules()) {
    text += fmt::format("; {} {} modules", count, to_string(mode));
  }
  text += "\n";
  for (const PlannedTensor* planned : plan.ungroupable()) {
    text += fmt::format("note: {} stays {}: its rows of {} do not fit {}\n",
                        printable(planned->tensor.name), dense_format(planned->dtype),
                        planned->tensor.shape.back(), describe(planned->wanted));
  }
  return text;
}

ordered_json plan_json(const Plan& plan) {
  ordered_json json;
  json["payload_bytes"] = plan.payload_bytes();
  json["tensors"] = plan.output_count();
  json["modules"] = ordered_json::object();
  for (const auto& [mode, count] : plan.modules()) json["modules"][to_string(mode)] = count;
  if (plan.recipe) {
    json["recipe"] = {{"name", plan.recipe->name}, {"version", plan.recipe->version}};
    json["top"] = {{"mode", to_string(plan.top.mode)},
                   {"bits", plan.top.bits},
                   {"group_size", plan.top.group_size}};
  }
  ordered_json ungroupable = ordered_json::array();
  for (const PlannedTensor* planned : plan.ungroupable()) {
    ungroupable.push_back(planned->tensor.name);
  }
  json["ungroupable"] = std::move(ungroupable);
  ordered_json entries = ordered_json::array();
  for (const PlannedTensor& planned : plan.tensors) {
    for (const TensorPlan& output : planned.outputs()) {
      entries.push_back(entry_json(output, planned.spec));
    }
  }
  json["entries"] = std::move(entries);
  return json;
}

}  // namespace octavo::convert
