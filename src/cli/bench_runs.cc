#include "cli/bench_runs.h"

#include <algorithm>
#include <chrono>

#include "base/fail.h"
#include "engine/sampler.h"
#include "engine/top_k.h"
#include "session/model_impl.h"

namespace octavo::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kSystem = "You are a helpful assistant. Give concise answers.";
constexpr const char* kQuestions[] = {"What is the capital of France?", "And what about Germany?",
                                      "And Japan?", "Which of those cities is the most populous?"};

std::vector<double> counted_rates(const ChatRun& run) {
  std::vector<double> rates;
  for (size_t i = 1; i < run.turns.size(); ++i) {
    rates.push_back(run.turns[i].result.performance.decode_tok_s);
  }
  return rates;
}

/// Ordinary tokens in no order: routers and caches see no pattern.
std::vector<int32_t> arbitrary_tokens(const Model& model, int64_t count) {
  const Tokenizer& tokenizer = *model.impl().tokenizer;
  const int64_t vocab = std::min<int64_t>(model.vocab_size(), tokenizer.vocab_size());
  std::vector<int32_t> tokens;
  for (uint64_t i = 0; std::ssize(tokens) < count; ++i) {
    const auto id = static_cast<int32_t>(counter_uniform(1, i) * static_cast<double>(vocab));
    if (!tokenizer.is_special(id)) tokens.push_back(id);
  }
  return tokens;
}

double rate(int64_t tokens, Clock::duration time) {
  return static_cast<double>(tokens) / std::chrono::duration<double>(time).count();
}

double time_prefill(const Decoder& filled, std::span<const int32_t> tokens, int64_t count) {
  const std::unique_ptr<Decoder> decoder = filled.fork();
  const Clock::time_point start = Clock::now();
  decoder->assign(tokens, nullptr);
  return rate(count, Clock::now() - start);
}

double time_decode(const Decoder& filled, int64_t count) {
  const std::unique_ptr<Decoder> decoder = filled.fork();
  const Clock::time_point start = Clock::now();
  for (int64_t i = 0; i < count; ++i) decoder->append(best_token(decoder->logits()));
  return rate(count, Clock::now() - start);
}

void check(const Model& model, const FixedPlan& plan) {
  const auto largest = [](const std::vector<int64_t>& values) {
    return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
  };
  // One more: decoding starts from the logits of a token.
  const int64_t need =
      std::max(largest(plan.prefill), largest(plan.decode)) + largest(plan.depths) + 1;
  if (need > model.context_length()) {
    fail(ErrorCode::kBadRequest, "bench: runs of {} tokens do not fit into the context of {}", need,
         model.context_length());
  }
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

double ChatRun::best_decode() const {
  return spread_of(counted_rates(*this)).high;
}
double ChatRun::median_decode() const {
  return spread_of(counted_rates(*this)).median;
}

ChatRun run_capitals_chat(const Model& model, const GenerationOptions& options) {
  ChatSession session(model, {.system = kSystem, .defaults = options});
  ChatRun run;
  for (const char* question : kQuestions) run.turns.push_back({question, session.send(question)});
  return run;
}

std::vector<FixedRun> run_fixed(const Model& model, const FixedPlan& plan,
                                const std::function<void(const FixedRun&)>& report) {
  check(model, plan);
  const std::vector<int32_t> tokens = arbitrary_tokens(model, model.context_length());
  const std::span<const int32_t> all(tokens);
  std::vector<FixedRun> runs;
  for (int64_t depth : plan.depths) {
    const std::unique_ptr<Decoder> empty = model.impl().make_decoder();
    const std::unique_ptr<Decoder> filled = empty->fork();
    filled->assign(all.first(static_cast<size_t>(std::max<int64_t>(depth, 1))), nullptr);
    const Decoder& before = depth == 0 ? *empty : *filled;
    const auto measure = [&](const char* kind, int64_t count, auto one_run) {
      FixedRun run{kind, count, depth, {}};
      one_run();  // warm-up
      for (int i = 0; i < plan.runs; ++i) run.tok_s.push_back(one_run());
      report(run);
      runs.push_back(std::move(run));
    };
    for (int64_t count : plan.prefill) {
      const auto prompt = all.first(static_cast<size_t>(depth + count));
      measure("prefill", count, [&] { return time_prefill(before, prompt, count); });
    }
    for (int64_t count : plan.decode) {
      measure("decode", count, [&] { return time_decode(*filled, count); });
    }
  }
  return runs;
}

}  // namespace octavo::cli
