// What a caller may ask of one generation, and what comes back.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

enum class ReasoningEffort { kNone, kLow, kMedium, kHigh };  // none, low: off; medium, high: on

/// A field left empty takes its value from the session's defaults, then from the checkpoint's
/// generation_config.json (sampling fields only), then the default written here. Values out of
/// range throw kBadRequest naming the field.
struct GenerationOptions {
  std::optional<int64_t> max_new_tokens{};  // 2048; at least 1, lowered to what the context leaves

  // Sampling, in the order of application (src/engine/sampler.h).
  std::optional<double> repetition_penalty{};             // 1 = off; (0, 100]
  std::optional<int64_t> repetition_context_size{};       // 256: last tokens of prompt and answer
  std::optional<double> presence_penalty{};               // 0 = off; [-100, 100]
  std::optional<int64_t> presence_context_size{};         // 20: last tokens of the answer
  std::optional<double> frequency_penalty{};              // 0 = off; [-100, 100]
  std::optional<int64_t> frequency_context_size{};        // 20: last tokens of the answer
  std::optional<std::map<int32_t, double>> logit_bias{};  // token id -> addend in [-100, 100]
  std::optional<double> temperature{};                    // 0 = greedy; [0, 100]
  std::optional<int64_t> top_k{};                         // 0 = off
  std::optional<double> top_p{};                          // 1 = off; (0, 1]
  std::optional<double> min_p{};                          // 0 = off; [0, 1]
  std::optional<uint64_t> seed{};  // drawn at random if empty; see Result::seed

  // Where to stop.
  std::optional<std::vector<std::string>> stop{};   // visible text ends before the first of these
  std::optional<int64_t> max_consecutive_tokens{};  // 0 = off: stop after so many equal tokens
  std::optional<int64_t> max_ngram_repeats{};  // 0 = off: stop when the last `ngram_size` tokens
  std::optional<int64_t> ngram_size{};         // (64) have been generated so often
  std::optional<bool> ignore_eos{};            // false; true is for benchmarks

  // Chat.
  std::optional<std::string> tools{};  // JSON array of function declarations; stays until changed
  std::optional<ReasoningEffort> reasoning_effort{};  // template's default (off) if empty
  std::optional<int64_t> thinking_token_budget{};     // reasoning is closed after so many tokens
  std::optional<bool> include_reasoning{};            // true, except for ReasoningEffort::kNone

  // Pictures of the messages of this call: 70, 140, 280, 560 or 1120.
  std::optional<int64_t> image_tokens{};  // most tokens of an image; the checkpoint's, else 280
  std::optional<int64_t> video_tokens{};  // most tokens of a frame of a video; 70

  std::optional<int> logprobs{};  // per token: its own and this many best alternatives; [0, 20]
};

/// Fields set in `over` win.
GenerationOptions merged(const GenerationOptions& base, const GenerationOptions& over);

enum class FinishReason {
  kStop,        // the model ended its turn, or a stop string was met
  kLength,      // max_new_tokens or the end of the context
  kToolCalls,   // the model waits for the results of Result::tool_calls
  kCancelled,   // by cancel() or the callback; the session is as before the turn
  kRepetition,  // repetition detection
  kError,       // the model's only output was tool calls that do not parse
};

std::string_view to_string(FinishReason reason);  // "stop", "length", "tool_calls", ...

struct ToolCall {
  enum class Status { kOk, kMissingName, kParseError };
  std::string id;  // "call_1"
  std::string name;
  std::string arguments;  // JSON object; the raw text where it did not parse
  Status status = Status::kOk;
  std::string error;  // empty for kOk
  std::string raw;    // as generated: call:NAME{...}
};

std::string_view to_string(ToolCall::Status status);  // "ok", "missing_name", "parse_error"

struct TokenLogprob {
  int32_t token = 0;
  float logprob = 0;  // log softmax of the raw logits, before penalties, bias and temperature
  std::vector<std::pair<int32_t, float>> top;  // best alternatives, best first
};

struct Performance {
  double ttft_ms = 0;  // from the call to the first token: pictures, rendering, prefill, sample
  double prefill_tok_s = 0;  // prompt tokens that were not cached / time to the first token
  double decode_tok_s = 0;   // (generated - 1) / time after the first token; 0 for one token
};

struct Result {
  std::string text;  // visible answer
  std::string thinking;
  FinishReason finish_reason = FinishReason::kStop;
  std::vector<ToolCall> tool_calls;
  bool thinking_enabled = false;
  std::vector<int32_t> tokens;  // generated ids, the stop token included
  int64_t num_tokens = 0;       // = tokens.size()
  int64_t prompt_tokens = 0;
  int64_t reasoning_tokens = 0;
  int64_t cached_tokens = 0;       // prompt tokens whose keys and values were still in the cache
  int64_t image_tokens = 0;        // prompt tokens that stand for pictures
  int64_t images_encoded = 0;      // pictures whose features were in no cache
  int64_t pending_tool_calls = 0;  // calls without a result; > 0: the next call is send_tool_result
  uint64_t seed = 0;               // repeats this answer where the same seed is given
  std::string raw_text;            // all tokens, control tokens included
  std::vector<TokenLogprob> logprobs;  // one per token if asked for
  Performance performance;
};

/// A piece of a streamed answer. The last event has `result` set and no text of its own.
struct Event {
  std::string_view text{};
  bool is_reasoning = false;
  const Result* result = nullptr;  // valid during the callback
  bool done() const { return result != nullptr; }
};

/// Return false to cancel.
using EventCallback = std::function<bool(const Event&)>;

}  // namespace octavo
