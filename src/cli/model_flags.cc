#include "cli/model_flags.h"

#include <unistd.h>

#include <charconv>
#include <chrono>
#include <thread>
#include <utility>

#include "base/fail.h"
#include "base/progress.h"
#include "image/patches.h"

namespace octavo::cli {
namespace {

template <typename T>
bool parse_whole(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

/// Waits for weights that come from disk, if a terminal can show the progress: front to back they
/// come faster than in the order of a forward pass, which needs nearly all of them. Weights that
/// will be there within a second are not waited for.
void show_loading(const Model& model) {
  constexpr auto kSample = std::chrono::milliseconds(20);
  constexpr auto kTick = std::chrono::milliseconds(100);
  LoadProgress last = model.load_progress();
  if (!last.running || ::isatty(STDERR_FILENO) != 1) return;
  std::this_thread::sleep_for(kSample);
  LoadProgress now = model.load_progress();
  if ((now.done - last.done) * (std::chrono::seconds(1) / kSample) >= now.total - now.done) return;
  Progress bar("reading the weights", now.total);
  for (uint64_t shown = 0; now.running; now = model.load_progress()) {
    bar.advance(now.done - std::exchange(shown, now.done));
    std::this_thread::sleep_for(kTick);
  }
}

std::map<int32_t, double> parse_biases(const std::vector<std::string>& texts) {
  std::map<int32_t, double> biases;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    int32_t id = 0;
    double bias = 0;
    if (equals == std::string::npos || !parse_whole(std::string_view(text).substr(0, equals), id) ||
        !parse_whole(std::string_view(text).substr(equals + 1), bias)) {
      fail(ErrorCode::kBadRequest, "--logit-bias: \"{}\", expected TOKEN_ID=VALUE",
           printable(text));
    }
    biases[id] = bias;
  }
  return biases;
}

ReasoningEffort parse_effort(const std::string& name) {
  if (name == "none") return ReasoningEffort::kNone;
  if (name == "low") return ReasoningEffort::kLow;
  return name == "medium" ? ReasoningEffort::kMedium : ReasoningEffort::kHigh;
}

}  // namespace

std::string check_seed(const std::string& text) {
  uint64_t seed = 0;
  return parse_whole(text, seed) ? "" : "\"" + text + "\", expected a number from 0 to 2^64 - 1";
}

Model ModelFlags::open() const {
  Model model = Model::load(folder, load);
  show_loading(model);
  return model;
}

void add_model_flags(CLI::App& command, ModelFlags& flags) {
  const std::string group = "Model";
  command.add_option("-m,--model", flags.folder, "Checkpoint folder")->required()->group(group);
  command.add_option("--threads", flags.load.threads, "Threads; 0: one per physical core")
      ->capture_default_str()
      ->group(group);
  command.add_flag("--pin", flags.load.pin, "Keep each thread on a core of its own")->group(group);
  command.add_flag("--exact", flags.load.exact, "float32 throughout, slower")->group(group);
  command.add_option("--kv", flags.load.kv_bits, "Bits of keys and values: 16 (BF16) or 8")
      ->check(CLI::IsMember({8, 16}))
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--context", flags.load.context_length,
                  "Tokens of context; 0: as many as the model was made for")
      ->capture_default_str()
      ->group(group);
  command.add_option("--prefill-chunk", flags.load.prefill_chunk, "Prompt tokens per pass")
      ->capture_default_str()
      ->group(group);
}

void add_generation_flags(CLI::App& command, GenerationFlags& flags) {
  const std::string group = "Generation (default: the checkpoint's generation_config.json)";
  GenerationOptions& options = flags.options;
  const auto add = [&](const char* name, auto& target, const char* help) {
    return command.add_option(name, target, help)->group(group);
  };
  add("--max-tokens,--max-new-tokens", options.max_new_tokens, "Longest answer [2048]");
  add("--temp,--temperature", options.temperature, "0: greedy");
  add("--top-k", options.top_k, "Draw from the K best tokens only; 0: off");
  add("--top-p", options.top_p, "Draw from the best tokens that hold this probability; 1: off");
  add("--min-p", options.min_p, "Drop tokens below this share of the best one's probability");
  add("--repetition-penalty", options.repetition_penalty,
      "Divides logits of recent tokens; 1: off");
  add("--presence-penalty", options.presence_penalty, "Subtracted once for tokens of the answer");
  add("--frequency-penalty", options.frequency_penalty, "Subtracted for each occurrence");
  add("--logit-bias", flags.logit_bias, "TOKEN_ID=VALUE, added to a logit; may be repeated")
      ->type_name("ID=VALUE");
  add("--seed", options.seed, "Repeats an answer; random by default")->check(check_seed);
  add("--stop", flags.stop, "End before this text; may be repeated");
  add("--reasoning", flags.reasoning, "none, low: do not think; medium, high: think first")
      ->check(CLI::IsMember({"none", "low", "medium", "high"}));
  add("--thinking-budget", options.thinking_token_budget, "Most tokens of thinking");
  add("--image-tokens", options.image_tokens,
      "Most tokens of a picture, more for small print [the checkpoint's, usually 280]")
      ->check(CLI::IsMember(kImageTokenBudgets));
  add("--video-tokens", options.video_tokens, "Most tokens of a frame of a video [70]")
      ->check(CLI::IsMember(kImageTokenBudgets));
}

GenerationOptions GenerationFlags::request() const {
  GenerationOptions result = options;
  if (!stop.empty()) result.stop = stop;
  if (!logit_bias.empty()) result.logit_bias = parse_biases(logit_bias);
  if (!reasoning.empty()) result.reasoning_effort = parse_effort(reasoning);
  return result;
}

}  // namespace octavo::cli
