#include "convert/convert_report.h"

#include <fmt/format.h>

#include <map>

#include "base/fail.h"
#include "base/progress.h"

namespace octavo::convert {
namespace {

using nlohmann::ordered_json;

std::string format_of(const ClassReport& line) {
  return line.spec ? describe(line.spec) : "dense";
}

/// Reasons with how many groups each one stopped, the layer's number left out.
std::map<std::string, int> reasons(const AwqPlan& awq) {
  std::map<std::string, int> counts;
  for (const AwqSkip& skip : awq.skipped) {
    const size_t colon = skip.group.find(": ");
    const std::string group =
        colon == std::string::npos ? skip.group : skip.group.substr(colon + 2);
    ++counts[group + ": " + skip.reason];
  }
  return counts;
}

std::string class_table(const ConvertReport& report) {
  std::string text = fmt::format("{:<22} {:<12} {:>6} {:>16} {:>12} {:>10}\n", "tensor class",
                                 "format", "count", "bytes", "rel. error", "clipped");
  for (const ClassReport& line : report.classes) {
    text += fmt::format("{:<22} {:<12} {:>6} {:>16}", line.tensor_class, format_of(line),
                        line.tensors, line.bytes);
    if (line.spec) {
      text +=
          fmt::format(" {:>10.4f} % {:>10}", 100 * line.relative_rmse(), line.error.clipped_groups);
    }
    text += "\n";
  }
  return text;
}

std::string awq_text(const ConvertReport& report, bool verbose) {
  if (!report.used_imatrix) return "";
  std::string text = fmt::format(
      "importance matrix: {} tensors matched, {} entries unmatched\n"
      "AWQ: {} groups scaled ({} tensors changed, {} of them norms), {} groups skipped\n",
      report.imatrix_matched, report.imatrix_unmatched.size(), report.awq.groups,
      report.awq.tensors.size(), report.awq.norms, report.awq.skipped.size());
  if (report.awq_inexact > 0) {
    text +=
        fmt::format("AWQ: {} values became too small to be scaled exactly\n", report.awq_inexact);
  }
  if (verbose) {
    for (const AwqSkip& skip : report.awq.skipped) {
      text += fmt::format("  skipped {}: {}\n", skip.group, skip.reason);
    }
    for (const std::string& name : report.imatrix_unmatched) {
      text += fmt::format("  unmatched entry {}\n", printable(name));
    }
  } else {
    for (const auto& [reason, count] : reasons(report.awq)) {
      text += fmt::format("  skipped {} x {}\n", count, reason);
    }
  }
  return text;
}

double megabytes_per_second(const ConvertReport& report) {
  return report.seconds > 0 ? static_cast<double>(report.source_bytes) / 1e6 / report.seconds : 0;
}

}  // namespace

std::string report_text(const ConvertReport& report, bool verbose) {
  std::string text = class_table(report);
  const uint64_t bytes = report.plan.payload_bytes();
  text += fmt::format("\n{} tensors, {} bytes ({}) in {}, {:.0f} MB/s of source\n",
                      report.plan.output_count(), bytes, format_bytes(static_cast<double>(bytes)),
                      format_duration(report.seconds), megabytes_per_second(report));
  if (report.plan.recipe) {
    text +=
        fmt::format("recipe {} (version {}); clipped mxfp8 groups: {}", report.plan.recipe->name,
                    report.plan.recipe->version, report.clipped_mxfp8_groups());
    if (report.expert_stacks > 0) {
      text += fmt::format("; all {} expert stacks are quantised", report.expert_stacks);
    }
    text += "\n";
  }
  text += awq_text(report, verbose);
  for (const std::string& note : report.notes) text += "note: " + note + "\n";
  return text;
}

ordered_json report_json(const ConvertReport& report) {
  ordered_json classes = ordered_json::array();
  for (const ClassReport& line : report.classes) {
    ordered_json entry{{"class", line.tensor_class},
                       {"format", format_of(line)},
                       {"tensors", line.tensors},
                       {"bytes", line.bytes}};
    if (line.spec) {
      entry["relative_rmse"] = line.relative_rmse();
      entry["groups"] = line.error.groups;
      entry["clipped_groups"] = line.error.clipped_groups;
    }
    classes.push_back(std::move(entry));
  }
  ordered_json json{{"payload_bytes", report.plan.payload_bytes()},
                    {"tensors", report.plan.output_count()},
                    {"source_bytes", report.source_bytes},
                    {"seconds", report.seconds},
                    {"mb_per_second", megabytes_per_second(report)},
                    {"clipped_mxfp8_groups", report.clipped_mxfp8_groups()},
                    {"expert_stacks_quantised", report.expert_stacks},
                    {"classes", std::move(classes)}};
  if (report.plan.recipe) {
    json["recipe"] = {{"name", report.plan.recipe->name}, {"version", report.plan.recipe->version}};
  }
  if (report.used_imatrix) {
    ordered_json skipped = ordered_json::array();
    for (const AwqSkip& skip : report.awq.skipped) {
      skipped.push_back({{"group", skip.group}, {"reason", skip.reason}});
    }
    json["imatrix"] = {{"matched", report.imatrix_matched},
                       {"unmatched", report.imatrix_unmatched}};
    json["awq"] = {{"groups", report.awq.groups},
                   {"tensors", report.awq.tensors.size()},
                   {"norms", report.awq.norms},
                   {"inexact_values", report.awq_inexact},
                   {"skipped", std::move(skipped)}};
  }
  json["copied"] = report.copied;
  json["notes"] = report.notes;
  return json;
}

}  // namespace octavo::convert
