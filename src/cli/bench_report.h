// cli: the fixed runs of `octavo bench` as tables, JSON and charts.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/bench_plot.h"
#include "cli/bench_runs.h"
#include "cli/bench_table.h"

namespace octavo::cli {

/// What the fixed runs found.
struct BenchReport {
  std::string model;
  std::string cpu, isa;
  int threads = 0;
  OneAndAll read_gbps;
  std::vector<Peak> peaks;
  uint64_t bytes_per_token = 0;
  std::vector<PrefillRun> prefill = {};
  std::vector<DecodeRun> decode = {};
};

std::string machine_text(const BenchReport& report);  // lines

Table prefill_table(const std::vector<Peak>& peaks);  // without rows
std::vector<std::string> prefill_row(const PrefillRun& run, const std::vector<Peak>& peaks);
Table decode_table();  // without rows
std::vector<std::string> decode_row(const DecodeRun& run);
std::vector<Table> profile_tables(const BenchReport& report);

/// A line about each kind of run that other programs disturbed; empty if none was.
std::string warnings(const BenchReport& report);

/// The keys of the report; "profile" is empty unless `profile` is set.
nlohmann::ordered_json to_json(const BenchReport& report, bool profile);

/// Writes the charts, as HTML with the tables if the name ends in .html, else as SVG. Throws kIo.
void write_plot(const std::string& path, const BenchReport& report);

}  // namespace octavo::cli
