#include "cli/bench_runs.h"

#include <algorithm>
#include <chrono>

#include "base/fail.h"
#include "cli/bench_load.h"
#include "engine/sampler.h"
#include "engine/top_k.h"

namespace octavo::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kWarmUpSteps = 8;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Tokens of no pattern; those of one sequence differ from another's.
std::vector<int32_t> arbitrary_tokens(const LanguageModel& model, int64_t sequence, int64_t count) {
  const auto vocab = static_cast<double>(model.config().text.vocab_size);
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const double x = counter_uniform(static_cast<uint64_t>(1 + sequence), static_cast<uint64_t>(i));
    tokens[i] = static_cast<int32_t>(x * vocab);
  }
  return tokens;
}

KvCache filled_cache(const LanguageModel& model, int64_t depth) {
  KvCache cache = model.make_cache();
  cache.fill_for_bench(depth);
  return cache;
}

/// Notes the passes of a model in a profile while it lives.
class Profiling {
 public:
  Profiling(LanguageModel& model, Profile& profile) : model_(model) { model.set_profile(&profile); }
  ~Profiling() { model_.set_profile(nullptr); }
  Profiling(const Profiling&) = delete;
  Profiling& operator=(const Profiling&) = delete;

 private:
  LanguageModel& model_;
};

/// Seconds for a prompt in chunks and the logits of its last token.
double time_prefill(LanguageModel& model, KvCache cache, std::span<const int32_t> tokens,
                    int64_t chunk) {
  std::vector<float> logits(static_cast<size_t>(model.config().text.vocab_size));
  const Clock::time_point start = Clock::now();
  while (!tokens.empty()) {
    const int64_t count = std::min(chunk, std::ssize(tokens));
    const Segment segments[] = {{&cache, count}};
    const int64_t last[] = {count - 1};
    const bool done = count == std::ssize(tokens);
    model.forward(
        {tokens.first(static_cast<size_t>(count)), segments, std::span(last).first(done ? 1 : 0)},
        std::span(logits).first(done ? logits.size() : 0));
    tokens = tokens.subspan(static_cast<size_t>(count));
  }
  return seconds_since(start);
}

/// Seconds for `steps` tokens of each sequence.
double time_decode(LanguageModel& model, std::vector<KvCache> caches,
                   const std::vector<std::vector<int32_t>>& tokens, int64_t steps,
                   Profile& profile) {
  const size_t batch = caches.size();
  const auto vocab = static_cast<size_t>(model.config().text.vocab_size);
  std::vector<Segment> segments;
  std::vector<int64_t> rows;
  for (size_t i = 0; i < batch; ++i) {
    segments.push_back({&caches[i], 1});
    rows.push_back(static_cast<int64_t>(i));
  }
  std::vector<float> logits(batch * vocab);
  std::vector<int32_t> next(batch), chosen(batch);
  const Clock::time_point start = Clock::now();
  for (int64_t step = 0; step < steps; ++step) {
    for (size_t i = 0; i < batch; ++i) next[i] = tokens[i][step];
    model.forward(
        {.tokens = next, .segments = segments, .logit_rows = rows, .phase = Phase::kDecode},
        logits);
    const ProfileScope sampling(&profile, Op::kSampling);
    for (size_t i = 0; i < batch; ++i) {
      chosen[i] = best_token(std::span(logits).subspan(i * vocab, vocab));
    }
  }
  return seconds_since(start);
}

int64_t expert_layers(const TextConfig& text) {
  return text.moe ? std::ssize(text.layers) : 0;
}

/// Caches of sequences at one depth, of which `own` have memory of their own; they would take too
/// much otherwise, and the others share the first one's.
struct Sequences {
  std::vector<KvCache> caches;
  int64_t own;
};

Sequences sequences_at(const LanguageModel& model, int64_t depth, int64_t count) {
  Sequences all{{filled_cache(model, depth)}, count};
  const uint64_t bytes = all.caches[0].bytes();
  if (depth > 0 && bytes > 0) {
    const auto fitting = static_cast<int64_t>(available_memory() / 2 / bytes);
    all.own = std::clamp<int64_t>(fitting, 1, count);
  }
  while (std::ssize(all.caches) < count) {
    const bool shared = std::ssize(all.caches) >= all.own;
    all.caches.push_back(shared ? all.caches[0] : filled_cache(model, depth));
  }
  return all;
}

void count_bytes(const LanguageModel& model, int64_t steps, DecodeRun& run) {
  const ModelWork work = model.work();
  run.experts = static_cast<double>(work.top_k);
  const auto counted = static_cast<double>(run.profile.of(Op::kExperts).experts);
  const int64_t layers = expert_layers(model.config().text);
  if (counted > 0) run.experts = counted / static_cast<double>(layers * steps);
  run.weight_bytes = static_cast<double>(work.shared_bytes) +
                     static_cast<double>(run.batch) * static_cast<double>(work.row_bytes) +
                     run.experts * static_cast<double>(work.expert_bytes);
  for (int64_t i = 0; i < run.tokens; ++i) {
    run.kv_bytes += static_cast<double>(model.kv_bytes_read(run.depth + i));
  }
  run.kv_bytes *= static_cast<double>(run.batch) / static_cast<double>(run.tokens);
}

/// Seconds for `steps` tokens of each of the run's sequences.
double time_decode(LanguageModel& model, const Sequences& sequences, int64_t steps,
                   DecodeRun& run) {
  std::vector<std::vector<int32_t>> tokens;
  for (int64_t i = 0; i < run.batch; ++i) tokens.push_back(arbitrary_tokens(model, i, steps));
  const auto& caches = sequences.caches;
  const Profiling profiling(model, run.profile);
  return time_decode(model, {caches.begin(), caches.begin() + run.batch}, tokens, steps,
                     run.profile);
}

/// Measures runs of one depth in turn, so that a disturbance meets all of them and their comparison
/// holds.
void measure_decode(LanguageModel& model, BenchMachine& machine, int rounds,
                    const Sequences& sequences, std::span<DecodeRun> runs) {
  for (DecodeRun& run : runs) {
    run.shared_cache = run.batch > sequences.own;
    time_decode(model, sequences, std::min(run.tokens, kWarmUpSteps), run);
    run.profile.reset();
  }
  const OtherLoad load;
  double before = machine.read_gbps_now();
  for (int round = 0; round < rounds; ++round) {
    for (DecodeRun& run : runs) {
      const double seconds = time_decode(model, sequences, run.tokens, run);
      const double after = machine.read_gbps_now();
      run.tok_s.push_back(static_cast<double>(run.tokens * run.batch) / seconds);
      run.read_gbps.push_back((before + after) / 2);
      before = after;
    }
  }
  const std::optional<double> others = load.share();
  for (DecodeRun& run : runs) {
    run.others = others;
    count_bytes(model, run.tokens * rounds, run);
  }
}

PrefillRun measure_prefill(LanguageModel& model, const KvCache& filled, const FixedPlan& plan,
                           PrefillRun run) {
  const std::vector<int32_t> tokens = arbitrary_tokens(model, 0, run.tokens);
  const Profiling profiling(model, run.profile);
  time_prefill(model, filled, tokens, plan.prefill_chunk);
  run.profile.reset();

  const OtherLoad load;
  for (int i = 0; i < plan.runs; ++i) {
    const double seconds = time_prefill(model, filled, tokens, plan.prefill_chunk);
    run.tok_s.push_back(static_cast<double>(run.tokens) / seconds);
  }
  run.others = load.share();
  const ModelWork work = model.work();
  const auto count = static_cast<uint64_t>(run.tokens);
  run.matrix_gflop = 2e-9 * static_cast<double>(count * work.token_macs + work.head_macs);
  run.attention_gflop =
      2e-9 * static_cast<double>(model.attention_macs(run.depth, run.depth + run.tokens));
  return run;
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back()};
}

Spread PrefillRun::gflops() const {
  std::vector<double> rates;
  for (const double rate : tok_s)
    rates.push_back(rate / static_cast<double>(tokens) * matrix_gflop);
  return spread_of(rates);
}

std::vector<double> DecodeRun::gbps() const {
  std::vector<double> rates;
  for (const double rate : tok_s) {
    rates.push_back(rate / static_cast<double>(batch) * (weight_bytes + kv_bytes) / 1e9);
  }
  return rates;
}

std::vector<double> DecodeRun::ratios() const {
  std::vector<double> result = gbps();
  for (size_t i = 0; i < result.size(); ++i) result[i] /= read_gbps[i];
  return result;
}

void check_fits(const FixedPlan& plan, int64_t context) {
  const auto largest = [](const std::vector<int64_t>& values) {
    return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
  };
  const int64_t need = std::max(largest(plan.prefill), largest(plan.decode)) + largest(plan.depths);
  if (need <= context) return;
  fail(ErrorCode::kBadRequest, "bench: runs of {} tokens do not fit into the context of {}", need,
       context);
}

std::vector<PrefillRun> run_prefill(LanguageModel& model, const FixedPlan& plan,
                                    const std::function<void(const PrefillRun&)>& report) {
  std::vector<PrefillRun> runs;
  for (const int64_t depth : plan.depths) {
    if (plan.prefill.empty()) break;
    const KvCache filled = filled_cache(model, depth);
    for (const int64_t tokens : plan.prefill) {
      PrefillRun run;
      run.tokens = tokens;
      run.depth = depth;
      runs.push_back(measure_prefill(model, filled, plan, std::move(run)));
      report(runs.back());
    }
  }
  return runs;
}

std::vector<DecodeRun> run_decode(LanguageModel& model, BenchMachine& machine,
                                  const FixedPlan& plan,
                                  const std::function<void(const DecodeRun&)>& report) {
  std::vector<DecodeRun> all;
  if (plan.batches.empty() || plan.decode.empty()) return all;
  const int64_t most = *std::max_element(plan.batches.begin(), plan.batches.end());
  for (const int64_t depth : plan.depths) {
    const size_t first = all.size();
    for (const int64_t batch : plan.batches) {
      for (const int64_t tokens : plan.decode) {
        DecodeRun& run = all.emplace_back();
        run.tokens = tokens;
        run.depth = depth;
        run.batch = batch;
      }
    }
    const auto runs = std::span(all).subspan(first);
    measure_decode(model, machine, plan.runs, sequences_at(model, depth, most), runs);
    std::for_each(runs.begin(), runs.end(), report);
  }
  return all;
}

}  // namespace octavo::cli
