// `octavo bench`: speed of a model, as a table or as JSON.
#include <cstdio>
#include <memory>
#include <utility>

#include "base/fail.h"
#include "cli/answer_printer.h"
#include "cli/bench_chat.h"
#include "cli/bench_report.h"
#include "cli/cli.h"
#include "cli/model_flags.h"
#include "cli/result_json.h"
#include "session/model_impl.h"

namespace octavo::cli {
namespace {

using Json = nlohmann::ordered_json;

struct BenchFlags {
  ModelFlags model;
  std::string what = "all";
  FixedPlan fixed{.prefill = {128, 512}, .decode = {128}, .depths = {0}, .batches = {1}};
  uint64_t read_mib = 1024;
  bool greedy = false, json = false, profile = false;
  std::string plot;
  uint64_t seed = 1;
};

/// The settings of the published figure: temperature 0.6, thinking off, the rest the checkpoint's.
GenerationOptions chat_options(const BenchFlags& flags) {
  return {.max_new_tokens = 2048,
          .temperature = flags.greedy ? 0 : 0.6,
          .seed = flags.seed,
          .reasoning_effort = ReasoningEffort::kLow};
}

std::string on_one_line(std::string text) {
  for (char& c : text) c = c == '\n' ? ' ' : c;
  return without_control_characters(text);
}

void print_transcript(const ChatRun& run) {
  for (const ChatTurn& turn : run.turns) {
    fmt::print("> {}\n{}\n", turn.user, on_one_line(turn.result.text));
  }
  fmt::print("\n{:>4} {:>8} {:>8} {:>8} {:>10} {:>15} {:>14}\n", "turn", "prompt", "cached",
             "tokens", "TTFT ms", "prefill tok/s", "decode tok/s");
  for (size_t i = 0; i < run.turns.size(); ++i) {
    const Result& result = run.turns[i].result;
    fmt::print("{:>4} {:>8} {:>8} {:>8} {:>10.1f} {:>15.1f} {:>14.1f}\n", i + 1,
               result.prompt_tokens, result.cached_tokens, result.num_tokens,
               result.performance.ttft_ms, result.performance.prefill_tok_s,
               result.performance.decode_tok_s);
  }
}

void print_chats(const std::vector<ChatRun>& runs) {
  print_transcript(runs.front());
  std::vector<double> best, median;
  for (const ChatRun& run : runs) {
    best.push_back(run.best_decode());
    median.push_back(run.median_decode());
  }
  fmt::print(
      "\ndecode of turns 2 to 4, median of {} runs: best turn {:.1f} tok/s, median turn "
      "{:.1f} tok/s\n\n",
      runs.size(), spread_of(best).median, spread_of(median).median);
}

Json chats_json(const std::vector<ChatRun>& runs, const Model& model) {
  Json list = Json::array();
  for (const ChatRun& run : runs) {
    Json turns = Json::array();
    for (const ChatTurn& turn : run.turns) {
      Json entry{{"user", turn.user}};
      entry.update(to_json(turn.result, model));
      turns.push_back(std::move(entry));
    }
    list.push_back(
        {{"turns", std::move(turns)},
         {"decode_tok_s", {{"best", run.best_decode()}, {"median", run.median_decode()}}}});
  }
  return list;
}

/// Prints rows as soon as they are known, unless the output is JSON.
class LivePrinter {
 public:
  explicit LivePrinter(bool silent) : silent_(silent) {}

  void text(const std::string& lines) const {
    if (silent_) return;
    fmt::print("{}", lines);
    std::fflush(stdout);
  }
  void row(const Table& table, bool first, const std::vector<std::string>& cells) const {
    text((first ? table.head() : "") + table.line(cells));
  }

 private:
  bool silent_;
};

/// What is wrong with the name of a plot, for CLI11.
std::string check_plot(const std::string& name) {
  if (name.ends_with(".svg") || name.ends_with(".html")) return "";
  return "\"" + name + "\", expected a name that ends in .svg or .html";
}

BenchReport run_fixed(const BenchFlags& flags, const Model& model) {
  LanguageModel& language_model = *model.impl().language_model;
  const LivePrinter printer(flags.json);
  BenchMachine machine(flags.model.load.threads, flags.read_mib);
  BenchReport report{.model = flags.model.folder,
                     .cpu = machine.cpu(),
                     .isa = std::string(machine.isa()),
                     .threads = machine.threads(),
                     .read_gbps = machine.read_gbps(),
                     .peaks = machine.peaks(),
                     .bytes_per_token = model.bytes_per_token()};
  printer.text(machine_text(report));
  FixedPlan plan = flags.fixed;
  plan.prefill_chunk = flags.model.load.prefill_chunk;
  bool first = true;
  const Table prefill = prefill_table(report.peaks), decode = decode_table();
  report.prefill = run_prefill(language_model, plan, [&](const PrefillRun& run) {
    printer.row(prefill, std::exchange(first, false), prefill_row(run, report.peaks));
  });
  first = true;
  report.decode = run_decode(language_model, machine, plan, [&](const DecodeRun& run) {
    printer.row(decode, std::exchange(first, false), decode_row(run));
  });
  return report;
}

void finish_fixed(const BenchFlags& flags, const BenchReport& report) {
  const LivePrinter printer(flags.json);
  if (flags.profile) {
    for (const Table& table : profile_tables(report)) {
      printer.text(table.head());
      for (const auto& row : table.rows) printer.text(table.line(row));
    }
  }
  std::fflush(stdout);
  fmt::print(stderr, "{}", warnings(report));
  if (!flags.plot.empty()) write_plot(flags.plot, report);
}

void run_bench(const BenchFlags& flags) {
  const bool fixed = flags.what != "capitals";
  const Model model = flags.model.open();
  if (fixed) check_fits(flags.fixed, model.context_length());
  Json json{{"model", flags.model.folder}, {"bytes_per_token", model.bytes_per_token()}};
  if (flags.what != "fixed") {
    std::vector<ChatRun> chats;
    for (int i = 0; i < flags.fixed.runs; ++i) {
      chats.push_back(run_capitals_chat(model, chat_options(flags)));
    }
    json["chat"] = chats_json(chats, model);
    if (!flags.json) print_chats(chats);
  }
  if (fixed) {
    const BenchReport report = run_fixed(flags, model);
    json.update(to_json(report, flags.profile));
    finish_fixed(flags, report);
  }
  if (flags.json) print_json(json);
}

}  // namespace

void add_bench(CLI::App& app) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* command = app.add_subcommand("bench", "Measure prefill and decode");
  add_model_flags(*command, flags->model);
  command
      ->add_option("what", flags->what,
                   "capitals: a chat of four turns; fixed: runs of fixed length; all")
      ->check(CLI::IsMember({"capitals", "fixed", "all"}))
      ->capture_default_str();
  const auto lengths = [&](const char* name, std::vector<int64_t>& target, int64_t low,
                           const char* help) {
    command->add_option(name, target, help)
        ->delimiter(',')
        ->check(CLI::Range(low, int64_t{1} << 20))
        ->capture_default_str();
  };
  lengths("--prefill", flags->fixed.prefill, 1, "Prompt lengths");
  lengths("--decode", flags->fixed.decode, 1, "Numbers of tokens to generate greedily");
  lengths("--depth", flags->fixed.depths, 0, "Tokens in the cache beforehand");
  lengths("--batch", flags->fixed.batches, 1, "Sequences decoded together");
  command->add_option("--runs", flags->fixed.runs, "Repetitions of each measurement")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--greedy", flags->greedy, "Chat greedily instead of at temperature 0.6");
  command->add_option("--seed", flags->seed, "Seed of the chat")
      ->check(check_seed)
      ->capture_default_str();
  command->add_flag("--profile", flags->profile, "Time of each kind of operation");
  command->add_option("--plot", flags->plot, "Draw speed over depth and length to this file")
      ->check(check_plot)
      ->type_name("FILE.svg|FILE.html");
  command
      ->add_option("--read-mib", flags->read_mib,
                   "MiB to measure the read bandwidth with: more than the CPU's caches hold")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print one JSON object");
  command->footer(
      "Examples:\n"
      "  octavo bench -m models/capitals capitals\n"
      "  octavo bench -m models/capitals fixed --prefill 128,512 --depth 0,1024 --batch 1,4\n"
      "  octavo bench -m models/capitals fixed --profile --plot speed.svg\n"
      "  octavo bench -m models/capitals --runs 5 --json");
  command->callback([flags] { run_bench(*flags); });
}

}  // namespace octavo::cli
