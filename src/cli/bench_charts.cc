// The charts of a bench report and the file they go to.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "base/fail.h"
#include "cli/bench_report.h"

namespace octavo::cli {
namespace {

Point point_of(int64_t x, const Measured& run) {
  const Spread speed = spread_of(run.tok_s);
  return {static_cast<double>(x), speed.median, speed.low, speed.high};
}

/// One curve per key, in the order of the keys.
class Curves {
 public:
  void add(int64_t key, const std::string& name, Point point) {
    Series& series = curves_[key];
    series.name = name;
    series.points.push_back(point);
  }
  std::vector<Series> sorted() const {
    std::vector<Series> list;
    for (auto [key, series] : curves_) {
      std::ranges::stable_sort(series.points, {}, &Point::x);
      list.push_back(std::move(series));
    }
    return list;
  }

 private:
  std::map<int64_t, Series> curves_;
};

std::vector<Chart> charts_of(const BenchReport& report) {
  Curves decode, prefill;
  for (const DecodeRun& run : report.decode) {
    decode.add(run.batch, fmt::format("batch {}", run.batch), point_of(run.depth, run));
  }
  for (const PrefillRun& run : report.prefill) {
    prefill.add(run.depth, fmt::format("depth {}", run.depth), point_of(run.tokens, run));
  }
  std::vector<Chart> charts;
  if (!report.decode.empty()) {
    charts.push_back({"Decode", "tokens in the cache", "tokens per second", decode.sorted()});
  }
  if (!report.prefill.empty()) {
    charts.push_back({"Prefill", "tokens of the prompt", "tokens per second", prefill.sorted()});
  }
  return charts;
}

std::string html_of(const BenchReport& report, const std::string& svg) {
  std::string text = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n"
      "<style>body{{font-family:sans-serif;margin:2em}}table{{border-collapse:collapse}}"
      "td,th{{text-align:right;padding:.2em .8em;border-bottom:1px solid #ddd}}</style></head>\n"
      "<body>\n{1}<pre>{2}</pre>\n",
      escaped(report.model), svg, escaped(machine_text(report)));
  Table prefill = prefill_table(report.peaks), decode = decode_table();
  for (const PrefillRun& run : report.prefill)
    prefill.rows.push_back(prefill_row(run, report.peaks));
  for (const DecodeRun& run : report.decode) decode.rows.push_back(decode_row(run));
  return text + decode.html() + prefill.html() + "</body></html>\n";
}

}  // namespace

void write_plot(const std::string& path, const BenchReport& report) {
  const std::string subtitle = fmt::format(
      "{}, {}, {} threads; read bandwidth {:.1f} GB/s; medians, bars from lowest to highest",
      report.cpu, report.isa, report.threads, report.read_gbps.all);
  std::string text = svg_of(printable(report.model), subtitle, charts_of(report));
  if (path.ends_with(".html")) text = html_of(report, text);
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) fail(ErrorCode::kIo, "{}: cannot be written", printable(path));
}

}  // namespace octavo::cli
