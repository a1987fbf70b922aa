#include "session/generation_settings.h"

#include <algorithm>
#include <random>

#include "base/fail.h"

namespace octavo {
namespace {

constexpr int64_t kMaxCount = int64_t{1} << 40;  // far above any context, far below overflow
constexpr size_t kMaxStops = 64;
constexpr size_t kMaxStopBytes = 4096;
constexpr size_t kMaxBiases = 100'000;

template <typename T>
T in_range(std::string_view field, T value, T low, T high) {
  if (!(value >= low && value <= high)) {  // also refuses NaN
    fail(ErrorCode::kBadRequest, "{}: {} is out of range, expected {} to {}", field, value, low,
         high);
  }
  return value;
}

/// Above zero: 0 < value <= high.
double positive(std::string_view field, double value, double high) {
  if (!(value > 0 && value <= high)) {
    fail(ErrorCode::kBadRequest, "{}: {} is out of range, expected more than 0 and at most {}",
         field, value, high);
  }
  return value;
}

int64_t count(std::string_view field, const std::optional<int64_t>& value, int64_t otherwise,
              int64_t low = 0) {
  return in_range(field, value.value_or(otherwise), low, kMaxCount);
}

int64_t token_budget(std::string_view field, const std::optional<int64_t>& value,
                     int64_t otherwise) {
  const int64_t budget = value.value_or(otherwise);
  if (!is_image_token_budget(budget)) {
    fail(ErrorCode::kBadRequest, "{}: {}, expected {}", field, budget,
         fmt::join(kImageTokenBudgets, ", "));
  }
  return budget;
}

uint64_t random_seed() {
  std::random_device device;
  // 53 bits survive every JSON reader.
  return ((uint64_t{device()} << 32) | device()) >> 11;
}

PenaltyParams penalties_of(const GenerationOptions& config) {
  const PenaltyParams none;
  return {
      .repetition = positive("repetition_penalty", config.repetition_penalty.value_or(1), 100),
      .repetition_context =
          count("repetition_context_size", config.repetition_context_size, none.repetition_context),
      .presence = in_range("presence_penalty", config.presence_penalty.value_or(0), -100.0, 100.0),
      .presence_context =
          count("presence_context_size", config.presence_context_size, none.presence_context),
      .frequency =
          in_range("frequency_penalty", config.frequency_penalty.value_or(0), -100.0, 100.0),
      .frequency_context =
          count("frequency_context_size", config.frequency_context_size, none.frequency_context),
  };
}

std::vector<std::pair<int32_t, double>> biases_of(const GenerationOptions& config,
                                                  int64_t vocab_size) {
  std::vector<std::pair<int32_t, double>> biases;
  if (!config.logit_bias) return biases;
  in_range("logit_bias: number of entries", config.logit_bias->size(), size_t{0}, kMaxBiases);
  for (const auto& [id, bias] : *config.logit_bias) {
    in_range<int64_t>("logit_bias: token id", id, 0, vocab_size - 1);
    biases.emplace_back(id, in_range("logit_bias", bias, -100.0, 100.0));
  }
  return biases;
}

std::vector<std::string> stops_of(const GenerationOptions& config) {
  const std::vector<std::string> stops = config.stop.value_or(std::vector<std::string>{});
  in_range("stop: number of strings", stops.size(), size_t{0}, kMaxStops);
  for (const std::string& stop : stops) {
    in_range("stop: bytes of a string", stop.size(), size_t{1}, kMaxStopBytes);
  }
  return stops;
}

bool wants_thinking(const GenerationOptions& config) {
  const ReasoningEffort effort = config.reasoning_effort.value_or(ReasoningEffort::kLow);
  const bool on = effort == ReasoningEffort::kMedium || effort == ReasoningEffort::kHigh;
  // A budget of nothing is best kept by a model that was not asked to think.
  return on && config.thinking_token_budget != 0;
}

}  // namespace

GenerationSettings resolve(const GenerationOptions& config, int64_t vocab_size) {
  GenerationSettings settings;
  settings.sampling = {
      .penalties = penalties_of(config),
      .logit_bias = biases_of(config, vocab_size),
      .temperature = in_range("temperature", config.temperature.value_or(0), 0.0, 100.0),
      .top_k = count("top_k", config.top_k, 0),
      .top_p = positive("top_p", config.top_p.value_or(1), 1),
      .min_p = in_range("min_p", config.min_p.value_or(0), 0.0, 1.0),
  };
  settings.repetition = {
      .max_consecutive_tokens = count("max_consecutive_tokens", config.max_consecutive_tokens, 0),
      .max_ngram_repeats = count("max_ngram_repeats", config.max_ngram_repeats, 0),
      .ngram_size = count("ngram_size", config.ngram_size, 64, 1),
  };
  settings.max_new_tokens = count("max_new_tokens", config.max_new_tokens, 2048, 1);
  settings.seed = config.seed ? *config.seed : random_seed();
  settings.stop = stops_of(config);
  settings.ignore_eos = config.ignore_eos.value_or(false);
  settings.thinking = wants_thinking(config);
  if (config.thinking_token_budget) {
    settings.thinking_budget = count("thinking_token_budget", config.thinking_token_budget, 0);
  }
  settings.include_reasoning =
      config.include_reasoning.value_or(config.reasoning_effort != ReasoningEffort::kNone);
  if (config.logprobs) settings.logprobs = in_range("logprobs", *config.logprobs, 0, 20);
  settings.media = {
      .image_tokens = token_budget("image_tokens", config.image_tokens, kDefaultImageTokens),
      .video_tokens = token_budget("video_tokens", config.video_tokens, kDefaultVideoTokens)};
  return settings;
}

}  // namespace octavo
