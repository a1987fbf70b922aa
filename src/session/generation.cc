#include "octavo/generation.h"

namespace octavo {

GenerationOptions merged(const GenerationOptions& base, const GenerationOptions& over) {
  GenerationOptions result = base;
  const auto take = [&](auto GenerationOptions::* field) {
    if (over.*field) result.*field = over.*field;
  };
  take(&GenerationOptions::max_new_tokens);
  take(&GenerationOptions::repetition_penalty);
  take(&GenerationOptions::repetition_context_size);
  take(&GenerationOptions::presence_penalty);
  take(&GenerationOptions::presence_context_size);
  take(&GenerationOptions::frequency_penalty);
  take(&GenerationOptions::frequency_context_size);
  take(&GenerationOptions::logit_bias);
  take(&GenerationOptions::temperature);
  take(&GenerationOptions::top_k);
  take(&GenerationOptions::top_p);
  take(&GenerationOptions::min_p);
  take(&GenerationOptions::seed);
  take(&GenerationOptions::stop);
  take(&GenerationOptions::max_consecutive_tokens);
  take(&GenerationOptions::max_ngram_repeats);
  take(&GenerationOptions::ngram_size);
  take(&GenerationOptions::ignore_eos);
  take(&GenerationOptions::tools);
  take(&GenerationOptions::reasoning_effort);
  take(&GenerationOptions::thinking_token_budget);
  take(&GenerationOptions::include_reasoning);
  take(&GenerationOptions::image_tokens);
  take(&GenerationOptions::video_tokens);
  take(&GenerationOptions::logprobs);
  return result;
}

std::string_view to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kToolCalls:
      return "tool_calls";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kRepetition:
      return "repetition";
    case FinishReason::kError:
      return "error";
  }
  return "error";
}

std::string_view to_string(ToolCall::Status status) {
  switch (status) {
    case ToolCall::Status::kOk:
      return "ok";
    case ToolCall::Status::kMissingName:
      return "missing_name";
    case ToolCall::Status::kParseError:
      return "parse_error";
  }
  return "parse_error";
}

}  // namespace octavo
