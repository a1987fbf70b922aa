// `octavo bench`: speed of a model, as a table or as JSON.
#include <cstdio>
#include <memory>

#include "base/fail.h"
#include "cli/answer_printer.h"
#include "cli/bench_runs.h"
#include "cli/cli.h"
#include "cli/model_flags.h"
#include "cli/result_json.h"

namespace octavo::cli {
namespace {

using Json = nlohmann::ordered_json;

struct BenchFlags {
  ModelFlags model;
  std::string what = "all";
  FixedPlan fixed{.prefill = {128, 512}, .decode = {128}, .depths = {0}};
  bool greedy = false, json = false;
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

void print_fixed(const FixedRun& run) {
  const Spread spread = spread_of(run.tok_s);
  fmt::print("{:>8} {:>8} {:>8} {:>12.1f} {:>12.1f} {:>12.1f}\n", run.kind, run.tokens, run.depth,
             spread.median, spread.low, spread.high);
  std::fflush(stdout);
}

Json fixed_json(const std::vector<FixedRun>& runs) {
  Json list = Json::array();
  for (const FixedRun& run : runs) {
    const Spread spread = spread_of(run.tok_s);
    list.push_back(
        {{"kind", run.kind},
         {"tokens", run.tokens},
         {"depth", run.depth},
         {"tok_s", {{"median", spread.median}, {"low", spread.low}, {"high", spread.high}}},
         {"runs", run.tok_s}});
  }
  return list;
}

void run_bench(const BenchFlags& flags) {
  const Model model = flags.model.open();
  Json json{{"model", flags.model.folder}, {"bytes_per_token", model.bytes_per_token()}};
  if (flags.what != "fixed") {
    std::vector<ChatRun> chats;
    for (int i = 0; i < flags.fixed.runs; ++i) {
      chats.push_back(run_capitals_chat(model, chat_options(flags)));
    }
    json["capitals"] = chats_json(chats, model);
    if (!flags.json) print_chats(chats);
  }
  if (flags.what != "capitals") {
    if (!flags.json) {
      fmt::print("{:>8} {:>8} {:>8} {:>12} {:>12} {:>12}\n", "run", "tokens", "depth",
                 "tok/s median", "lowest", "highest");
    }
    json["fixed"] = fixed_json(run_fixed(model, flags.fixed, [&](const FixedRun& run) {
      if (!flags.json) print_fixed(run);
    }));
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
  command->add_option("--runs", flags->fixed.runs, "Repetitions of each measurement")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--greedy", flags->greedy, "Chat greedily instead of at temperature 0.6");
  command->add_option("--seed", flags->seed, "Seed of the chat")
      ->check(check_seed)
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print one JSON object");
  command->footer(
      "Examples:\n"
      "  octavo bench -m models/capitals capitals\n"
      "  octavo bench -m models/capitals fixed --prefill 128,512 --decode 128 --depth 0,1024\n"
      "  octavo bench -m models/capitals --runs 5 --json");
  command->callback([flags] { run_bench(*flags); });
}

}  // namespace octavo::cli
