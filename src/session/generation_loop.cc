#include "session/generation_loop.h"

#include <algorithm>

#include "base/fail.h"
#include "engine/logprobs.h"
#include "engine/stop_strings.h"
#include "text/output_parser.h"

namespace octavo {
namespace {

ToolCall to_tool_call(const ParsedToolCall& parsed) {
  ToolCall call;
  call.name = parsed.name;
  call.arguments =
      parsed.arguments.is_string()
          ? parsed.arguments.get<std::string>()
          : parsed.arguments.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  call.raw = parsed.raw;
  call.error = parsed.error;
  switch (parsed.status) {
    case ParsedToolCall::Status::kOk:
      call.status = ToolCall::Status::kOk;
      break;
    case ParsedToolCall::Status::kMissingName:
      call.status = ToolCall::Status::kMissingName;
      break;
    case ParsedToolCall::Status::kParseError:
      call.status = ToolCall::Status::kParseError;
      break;
  }
  return call;
}

double seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

class Generation {
 public:
  explicit Generation(const GenerationRequest& request)
      : request_(request),
        settings_(request.settings),
        prompt_length_(request.decoder.tokens().size()),
        sampler_(sampling_params(), settings_.seed),
        parser_(request.model.tokenizer,
                request.model.special.ends_in_channel(request.decoder.tokens()),
                request.tools_offered),
        stops_(settings_.stop) {}

  Result run() {
    result_.finish_reason = generate_tokens();
    const Clock::time_point end = Clock::now();
    finish_text();
    fill_in(end);
    return std::move(result_);
  }

 private:
  SamplingParams sampling_params() const {
    SamplingParams params = settings_.sampling;
    params.banned = request_.model.special.media;
    return params;
  }

  FinishReason generate_tokens() {
    while (!interrupted()) {
      const int32_t token = next_token();
      record(token);
      if (!settings_.ignore_eos && request_.model.special.is_stop(token))
        return FinishReason::kStop;
      deliver(parser_.push(token));
      if (stops_.stopped()) return FinishReason::kStop;
      if (refused_) return FinishReason::kCancelled;
      if (is_repetitive(result_.tokens, settings_.repetition)) return FinishReason::kRepetition;
      if (std::ssize(result_.tokens) >= settings_.max_new_tokens) return FinishReason::kLength;
      request_.decoder.append(token);
    }
    return FinishReason::kCancelled;
  }

  bool interrupted() const {
    return request_.cancelled && request_.cancelled->load(std::memory_order_relaxed);
  }

  int32_t next_token() {
    const auto& close = request_.model.special.channel_close;
    if (settings_.thinking_budget && close && parser_.in_reasoning() &&
        parser_.reasoning_tokens() >= *settings_.thinking_budget) {
      return *close;
    }
    return sampler_.sample(request_.decoder.logits(), request_.decoder.tokens(), prompt_length_);
  }

  void record(int32_t token) {
    if (result_.tokens.empty()) first_token_ = Clock::now();
    result_.tokens.push_back(token);
    if (settings_.logprobs) {
      result_.logprobs.push_back(
          token_logprob(request_.decoder.logits(), token, *settings_.logprobs));
    }
  }

  void deliver(const ParsedOutput& output) {
    add_reasoning(output.reasoning);
    add_text(stops_.push(output.text));
    for (const ParsedToolCall& call : output.tool_calls) {
      result_.tool_calls.push_back(to_tool_call(call));
    }
  }

  void add_reasoning(const std::string& text) {
    result_.thinking += text;
    if (settings_.include_reasoning) emit(text, true);
  }

  void add_text(const std::string& text) {
    result_.text += text;
    emit(text, false);
  }

  void emit(const std::string& text, bool is_reasoning) {
    if (text.empty() || refused_ || !request_.callback) return;
    refused_ = !request_.callback({.text = text, .is_reasoning = is_reasoning});
  }

  /// What was held back, unless the text was cut by a stop string.
  void finish_text() {
    if (stops_.stopped()) return;
    deliver(parser_.finish());
    if (!stops_.stopped()) add_text(stops_.flush());
    // An answer that a model was not asked to think about, yet wrote into a thought channel.
    if (!settings_.thinking && result_.finish_reason == FinishReason::kStop &&
        result_.text.empty() && result_.tool_calls.empty()) {
      add_text(std::exchange(result_.thinking, {}));
    }
  }

  void fill_in(Clock::time_point end) {
    const auto tokens = static_cast<int64_t>(result_.tokens.size());
    result_.thinking_enabled = settings_.thinking;
    result_.num_tokens = tokens;
    result_.prompt_tokens = static_cast<int64_t>(prompt_length_);
    result_.reasoning_tokens = parser_.reasoning_tokens();
    result_.cached_tokens = static_cast<int64_t>(request_.cached);
    result_.seed = settings_.seed;
    result_.raw_text = request_.model.tokenizer->decode(result_.tokens, true);
    if (tokens == 0) return;
    const double first = seconds(first_token_ - request_.start);
    const double rest = seconds(end - first_token_);
    result_.performance.ttft_ms = first * 1e3;
    if (first > 0) {
      result_.performance.prefill_tok_s =
          static_cast<double>(prompt_length_ - request_.cached) / first;
    }
    if (tokens > 1 && rest > 0) {
      result_.performance.decode_tok_s = static_cast<double>(tokens - 1) / rest;
    }
  }

  const GenerationRequest& request_;
  const GenerationSettings& settings_;
  size_t prompt_length_;
  Sampler sampler_;
  OutputParser parser_;
  StopStrings stops_;
  Result result_;
  bool refused_ = false;  // by the callback
  Clock::time_point first_token_;
};

}  // namespace

Result generate(const GenerationRequest& request) {
  return Generation(request).run();
}

void fit_to_context(GenerationSettings& settings, size_t prompt_tokens, int64_t context_length) {
  const int64_t room = context_length - static_cast<int64_t>(prompt_tokens);
  if (room < 1) {
    fail(ErrorCode::kBadRequest,
         "prompt: {} tokens leave no room for an answer in the context of {} tokens", prompt_tokens,
         context_length);
  }
  settings.max_new_tokens = std::min(settings.max_new_tokens, room);
}

}  // namespace octavo
