#include "cli/bench_chat.h"

#include "cli/bench_runs.h"

namespace octavo::cli {
namespace {

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

}  // namespace

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

}  // namespace octavo::cli
