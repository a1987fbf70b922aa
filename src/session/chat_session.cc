#include <atomic>
#include <optional>

#include "base/fail.h"
#include "octavo/session.h"
#include "session/generation_loop.h"
#include "session/history.h"
#include "session/prompt_cache.h"
#include "session/tools.h"

namespace octavo {

struct ChatSession::Impl {
  Impl(Model model_in, SessionOptions options_in)
      : model(std::move(model_in)),
        options(std::move(options_in)),
        history(options.system),
        cache(model.impl().make_decoder) {}

  Impl(const Impl& other)
      : model(other.model),
        options(other.options),
        history(other.history),
        tools(other.tools),
        cache(other.cache.fork()) {}

  Result answer(History next, const GenerationOptions& config, const EventCallback& callback,
                bool user_turn);
  std::vector<int32_t> render(const History& next, const nlohmann::ordered_json& tool_list,
                              bool thinking) const;

  Model model;
  SessionOptions options;
  History history;
  std::optional<std::string> tools;  // of the last turn
  PromptCache cache;
  std::atomic<bool> cancelled = false;
  std::atomic<bool> busy = false;
};

namespace {

/// Holds the one turn that a session can run.
class TurnGuard {
 public:
  TurnGuard(std::atomic<bool>& busy, std::atomic<bool>& cancelled) : busy_(busy) {
    if (busy_.exchange(true)) {
      fail(ErrorCode::kBadRequest, "session: another turn is running, wait for it or fork");
    }
    cancelled = false;
  }
  ~TurnGuard() { busy_ = false; }
  TurnGuard(const TurnGuard&) = delete;
  TurnGuard& operator=(const TurnGuard&) = delete;

 private:
  std::atomic<bool>& busy_;
};

Result waiting_for_results(const History& history) {
  Result result;
  result.finish_reason = FinishReason::kToolCalls;
  result.pending_tool_calls = static_cast<int64_t>(history.pending().size());
  return result;
}

/// The reason as the caller sees it, once the calls have been looked at.
FinishReason with_tool_calls(const Result& result) {
  if (result.finish_reason != FinishReason::kStop || result.tool_calls.empty()) {
    return result.finish_reason;
  }
  if (result.pending_tool_calls > 0) return FinishReason::kToolCalls;
  return result.text.empty() ? FinishReason::kError : FinishReason::kStop;
}

}  // namespace

std::vector<int32_t> ChatSession::Impl::render(const History& next,
                                               const nlohmann::ordered_json& tool_list,
                                               bool thinking) const {
  ChatRequest request;
  request.messages = next.messages();
  request.tools = tool_list;
  request.enable_thinking = thinking;
  return model.encode(model.impl().chat_template->render(request));
}

Result ChatSession::Impl::answer(History next, const GenerationOptions& config,
                                 const EventCallback& callback, bool user_turn) {
  const Clock::time_point start = Clock::now();
  const GenerationOptions wanted = merged(merged(model.impl().defaults, options.defaults), config);
  GenerationSettings settings = resolve(wanted, model.vocab_size());
  // Tools once given stay, unless this very call brings others.
  const auto& turn_tools = config.tools || !tools ? wanted.tools : tools;
  const auto tool_list = turn_tools ? parse_tools(*turn_tools) : nlohmann::ordered_json();
  const std::vector<int32_t> prompt = render(next, tool_list, settings.thinking);
  fit_to_context(settings, prompt.size(), model.context_length());

  Result result;
  try {
    const size_t cached = cache.prefill(prompt, user_turn, &cancelled);
    result = generate({.model = model.impl(),
                       .settings = settings,
                       .decoder = cache.decoder(),
                       .cached = cached,
                       .tools_offered = !tool_list.empty(),
                       .callback = callback,
                       .cancelled = &cancelled,
                       .start = start});
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled) {
      cache.clear();
      throw;
    }
    result.finish_reason = FinishReason::kCancelled;
    result.prompt_tokens = static_cast<int64_t>(prompt.size());
    result.seed = settings.seed;
  } catch (...) {
    cache.clear();
    throw;
  }

  if (result.finish_reason != FinishReason::kCancelled) {
    next.add_answer(result);
    history = std::move(next);
    tools = turn_tools;
    result.pending_tool_calls = static_cast<int64_t>(history.pending().size());
    result.finish_reason = with_tool_calls(result);
  } else {
    result.pending_tool_calls = static_cast<int64_t>(history.pending().size());
  }
  if (!settings.include_reasoning) result.thinking.clear();
  if (callback) callback({.result = &result});
  return result;
}

ChatSession::ChatSession(Model model, SessionOptions options)
    : impl_(std::make_unique<Impl>(std::move(model), std::move(options))) {}
ChatSession::ChatSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChatSession::~ChatSession() = default;
ChatSession::ChatSession(ChatSession&&) noexcept = default;
ChatSession& ChatSession::operator=(ChatSession&&) noexcept = default;

Result ChatSession::send(std::string_view text, const GenerationOptions& config) {
  return send_stream(text, config, {});
}

Result ChatSession::send_stream(std::string_view text, const GenerationOptions& config,
                                const EventCallback& callback) {
  const TurnGuard guard(impl_->busy, impl_->cancelled);
  History next = impl_->history;
  next.add_user(text);
  return impl_->answer(std::move(next), config, callback, /*user_turn=*/true);
}

Result ChatSession::send_tool_result(std::string_view id, std::string_view content, bool is_error,
                                     const GenerationOptions& config) {
  return send_tool_result_stream(id, content, is_error, config, {});
}

Result ChatSession::send_tool_result_stream(std::string_view id, std::string_view content,
                                            bool is_error, const GenerationOptions& config,
                                            const EventCallback& callback) {
  const TurnGuard guard(impl_->busy, impl_->cancelled);
  History next = impl_->history;
  next.add_tool_result(id, content, is_error);
  if (next.pending().empty()) {
    return impl_->answer(std::move(next), config, callback, /*user_turn=*/false);
  }
  impl_->history = std::move(next);
  const Result result = waiting_for_results(impl_->history);
  if (callback) callback({.result = &result});
  return result;
}

void ChatSession::cancel() noexcept {
  impl_->cancelled = true;
}

void ChatSession::reset() {
  const TurnGuard guard(impl_->busy, impl_->cancelled);
  impl_->history = History(impl_->options.system);
  impl_->tools.reset();
  impl_->cache.clear();
}

ChatSession ChatSession::fork() const {
  const TurnGuard guard(impl_->busy, impl_->cancelled);
  return ChatSession(std::make_unique<Impl>(*impl_));
}

int64_t ChatSession::turns() const {
  return impl_->history.turns();
}
std::vector<ToolCall> ChatSession::pending_tool_calls() const {
  return impl_->history.pending();
}
std::string ChatSession::history() const {
  return impl_->history.messages().dump();
}

}  // namespace octavo
