#include "cli/bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/bench_load.h"

namespace octavo::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string percent(std::optional<double> share) {
  return share ? fmt::format("{:.0f} %", 100 * *share) : "-";
}

Json or_null(std::optional<double> value) {
  return value ? Json(*value) : Json(nullptr);
}

Json to_json(const OneAndAll& figure) {
  return {{"one", figure.one}, {"all", figure.all}};
}

/// Matrix operations per second as a share of each peak.
std::vector<std::pair<std::string, double>> peak_ratios(const PrefillRun& run,
                                                        const std::vector<Peak>& peaks) {
  std::vector<std::pair<std::string, double>> ratios;
  for (const Peak& peak : peaks) {
    ratios.emplace_back(peak.name, run.gflops().median / peak.gflops.all);
  }
  return ratios;
}

Json prefill_json(const PrefillRun& run, const std::vector<Peak>& peaks) {
  const Spread speed = spread_of(run.tok_s);
  Json ratios = Json::object();
  for (const auto& [name, ratio] : peak_ratios(run, peaks)) ratios[name] = ratio;
  return {{"tokens", run.tokens},
          {"depth", run.depth},
          {"tok_s", speed.median},
          {"min", speed.low},
          {"max", speed.high},
          {"gflops", run.gflops().median},
          {"ratio", ratios["fp32"]},
          {"ratios", ratios},
          {"matrix_gflop", run.matrix_gflop},
          {"attention_gflop", run.attention_gflop},
          {"others", or_null(run.others)},
          {"runs", run.tok_s}};
}

Json decode_json(const DecodeRun& run, int threads) {
  const Spread speed = spread_of(run.tok_s);
  return {{"depth", run.depth},
          {"batch", run.batch},
          {"threads", threads},
          {"tokens", run.tokens},
          {"tok_s", speed.median},
          {"min", speed.low},
          {"max", speed.high},
          {"gbps", spread_of(run.gbps()).median},
          {"read_gbps", spread_of(run.read_gbps).median},
          {"ratio", spread_of(run.ratios()).median},
          {"weight_bytes_per_step", run.weight_bytes},
          {"kv_bytes_per_step", run.kv_bytes},
          {"experts_per_layer", run.experts},
          {"shared_cache", run.shared_cache},
          {"others", or_null(run.others)},
          {"runs", run.tok_s}};
}

Json profile_json(const char* kind, const Measured& run, int64_t batch) {
  Json operations = Json::array();
  const double total = run.profile.seconds();
  for (size_t i = 0; i < kOps; ++i) {
    const OpProfile& op = run.profile.of(static_cast<Op>(i));
    if (op.calls == 0) continue;
    operations.push_back({{"op", name_of(static_cast<Op>(i))},
                          {"seconds", op.seconds},
                          {"share", op.seconds / total},
                          {"calls", op.calls},
                          {"bytes", op.bytes},
                          {"macs", op.macs},
                          {"experts", op.experts}});
  }
  return {{"kind", kind},
          {"tokens", run.tokens},
          {"depth", run.depth},
          {"batch", batch},
          {"seconds", total},
          {"outside_matrix_products", run.profile.outside_matrix_products()},
          {"operations", std::move(operations)}};
}

Table profile_table(const std::string& title, const Profile& profile) {
  Table table{fmt::format("Profile of {}: {:.1f} % of the time outside matrix products", title,
                          100 * profile.outside_matrix_products()),
              {"operation", "share %", "ms", "calls", "us/call", "GB/s", "GFLOP/s"},
              {}};
  const auto rate = [](uint64_t amount, double seconds) {
    return amount == 0 ? "-" : fmt::format("{:.1f}", static_cast<double>(amount) / seconds / 1e9);
  };
  for (size_t i = 0; i < kOps; ++i) {
    const OpProfile& op = profile.of(static_cast<Op>(i));
    if (op.calls == 0) continue;
    table.rows.push_back({std::string(name_of(static_cast<Op>(i))),
                          fmt::format("{:.1f}", 100 * op.seconds / profile.seconds()),
                          fmt::format("{:.1f}", 1e3 * op.seconds), fmt::format("{}", op.calls),
                          fmt::format("{:.1f}", 1e6 * op.seconds / static_cast<double>(op.calls)),
                          rate(op.bytes, op.seconds), rate(2 * op.macs, op.seconds)});
  }
  return table;
}

}  // namespace

std::string machine_text(const BenchReport& report) {
  std::string text =
      fmt::format("{}, {}, {} thread{}\nread bandwidth: {:.1f} GB/s one thread, {:.1f} GB/s all\n",
                  report.cpu, report.isa, report.threads, report.threads == 1 ? "" : "s",
                  report.read_gbps.one, report.read_gbps.all);
  for (const Peak& peak : report.peaks) {
    text += fmt::format("{} multiply-adds: {:.0f} GFLOP/s one thread, {:.0f} GFLOP/s all\n",
                        peak.name, peak.gflops.one, peak.gflops.all);
  }
  return text + fmt::format("weights read per token: {:.3f} GB\n",
                            static_cast<double>(report.bytes_per_token) / 1e9);
}

Table prefill_table(const std::vector<Peak>& peaks) {
  Table table{"Prefill: matrix operations per second, and as a share of each peak",
              {"tokens", "depth", "tok/s", "min", "max", "GFLOP/s"},
              {}};
  for (const Peak& peak : peaks) table.columns.push_back("/ " + peak.name);
  table.columns.push_back("others");
  return table;
}

std::vector<std::string> prefill_row(const PrefillRun& run, const std::vector<Peak>& peaks) {
  const Spread speed = spread_of(run.tok_s);
  std::vector<std::string> row{
      fmt::format("{}", run.tokens),       fmt::format("{}", run.depth),
      fmt::format("{:.1f}", speed.median), fmt::format("{:.1f}", speed.low),
      fmt::format("{:.1f}", speed.high),   fmt::format("{:.1f}", run.gflops().median)};
  for (const auto& [name, ratio] : peak_ratios(run, peaks)) {
    row.push_back(fmt::format("{:.3f}", ratio));
  }
  row.push_back(percent(run.others));
  return row;
}

Table decode_table() {
  return {"Decode: weights, keys and values read per second, and as a share of the read bandwidth",
          {"depth", "batch", "tokens", "tok/s", "min", "max", "GB/step", "KV GB", "experts", "GB/s",
           "read GB/s", "ratio", "others"},
          {}};
}

std::vector<std::string> decode_row(const DecodeRun& run) {
  const Spread speed = spread_of(run.tok_s);
  return {fmt::format("{}", run.depth),
          fmt::format("{}", run.batch),
          fmt::format("{}", run.tokens),
          fmt::format("{:.2f}", speed.median),
          fmt::format("{:.2f}", speed.low),
          fmt::format("{:.2f}", speed.high),
          fmt::format("{:.3f}", (run.weight_bytes + run.kv_bytes) / 1e9),
          fmt::format("{:.3f}", run.kv_bytes / 1e9),
          fmt::format("{:.1f}", run.experts),
          fmt::format("{:.1f}", spread_of(run.gbps()).median),
          fmt::format("{:.1f}", spread_of(run.read_gbps).median),
          fmt::format("{:.3f}", spread_of(run.ratios()).median),
          percent(run.others)};
}

std::vector<Table> profile_tables(const BenchReport& report) {
  std::vector<Table> tables;
  for (const PrefillRun& run : report.prefill) {
    tables.push_back(profile_table(
        fmt::format("prefill of {} tokens at depth {}", run.tokens, run.depth), run.profile));
  }
  for (const DecodeRun& run : report.decode) {
    tables.push_back(profile_table(
        fmt::format("decoding {} tokens at depth {}, batch {}", run.tokens, run.depth, run.batch),
        run.profile));
  }
  return tables;
}

std::string warnings(const BenchReport& report) {
  std::string text;
  const auto add = [&](const char* kind, const auto& runs) {
    double worst = 0;
    for (const auto& run : runs) worst = std::max(worst, run.others.value_or(0));
    if (worst <= kTolerableLoad) return;
    text += fmt::format(
        "warning: other programs used up to {} of the CPU time during {}: its figures may be too "
        "low\n",
        percent(worst), kind);
  };
  add("prefill", report.prefill);
  add("decode", report.decode);
  const auto shared = [](const DecodeRun& run) { return run.shared_cache; };
  if (std::ranges::any_of(report.decode, shared)) {
    text +=
        "warning: not enough memory for a cache per sequence: some batches share one, and their "
        "ratio is too high where CPU caches hold it\n";
  }
  return text;
}

Json to_json(const BenchReport& report, bool profile) {
  Json peaks = Json::object(), prefill = Json::array(), decode = Json::array(),
       profiles = Json::array();
  for (const Peak& peak : report.peaks) peaks[peak.name] = to_json(peak.gflops);
  for (const PrefillRun& run : report.prefill) {
    prefill.push_back(prefill_json(run, report.peaks));
    if (profile) profiles.push_back(profile_json("prefill", run, 1));
  }
  for (const DecodeRun& run : report.decode) {
    decode.push_back(decode_json(run, report.threads));
    if (profile) profiles.push_back(profile_json("decode", run, run.batch));
  }
  return {{"machine", {{"cpu", report.cpu}, {"isa", report.isa}, {"threads", report.threads}}},
          {"read_gbps", to_json(report.read_gbps)},
          {"peak_gflops", std::move(peaks)},
          {"bytes_per_token", report.bytes_per_token},
          {"decode", std::move(decode)},
          {"prefill", std::move(prefill)},
          {"profile", std::move(profiles)}};
}

}  // namespace octavo::cli
