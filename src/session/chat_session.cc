#include <atomic>
#include <optional>

#include "base/fail.h"
#include "octavo/session.h"
#include "session/generation_loop.h"
#include "session/history.h"
#include "session/media_prompt.h"
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

  /// What a call asks for, with every default filled in.
  struct Turn {
    Turn(const Impl& session, const GenerationOptions& config, const EventCallback& callback);

    Clock::time_point start = Clock::now();
    GenerationSettings settings;
    std::optional<std::string> tools;
    nlohmann::ordered_json tool_list;
    const EventCallback& callback;
  };

  MediaContent prepare(const Content& content, const Turn& turn) const;
  Prompt render(const History& next, const Turn& turn) const;
  Result generate_answer(const History& next, Prompt prompt, const Turn& turn, bool user_turn);
  Result answer(History next, Turn turn, bool user_turn);

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

ChatSession::Impl::Turn::Turn(const Impl& session, const GenerationOptions& config,
                              const EventCallback& callback_in)
    : callback(callback_in) {
  const GenerationOptions wanted =
      merged(merged(session.model.impl().defaults, session.options.defaults), config);
  settings = resolve(wanted, session.model.vocab_size());
  // Tools once given stay, unless this very call brings others.
  tools = config.tools || !session.tools ? wanted.tools : session.tools;
  if (tools) tool_list = parse_tools(*tools);
}

MediaContent ChatSession::Impl::prepare(const Content& content, const Turn& turn) const {
  const auto& vision = model.impl().vision;
  return prepare_media(content, vision ? &vision->shape() : nullptr, turn.settings.media);
}

Prompt ChatSession::Impl::render(const History& next, const Turn& turn) const {
  ChatRequest request;
  request.messages = next.messages();
  request.tools = turn.tool_list;
  request.enable_thinking = turn.settings.thinking;
  const Model::Impl& parts = model.impl();
  return media_prompt(parts.chat_template->render(request), next.media(), *parts.tokenizer,
                      parts.special);
}

Result ChatSession::Impl::generate_answer(const History& next, Prompt prompt, const Turn& turn,
                                          bool user_turn) {
  int64_t image_tokens = 0, encoded = 0;
  for (const PromptImage& image : prompt.images) image_tokens += static_cast<int64_t>(image.count);
  if (!prompt.images.empty()) {
    encoded = model.impl().vision->fill_in_features(prompt, next.media(), cache.reusable(prompt),
                                                    cancelled);
  }
  const size_t cached = cache.prefill(prompt, user_turn, &cancelled);
  prompt.images.clear();  // the features may go
  Result result = generate({.model = model.impl(),
                            .settings = turn.settings,
                            .decoder = cache.decoder(),
                            .cached = cached,
                            .tools_offered = !turn.tool_list.empty(),
                            .callback = turn.callback,
                            .cancelled = &cancelled,
                            .start = turn.start});
  result.image_tokens = image_tokens;
  result.images_encoded = encoded;
  return result;
}

Result ChatSession::Impl::answer(History next, Turn turn, bool user_turn) {
  Prompt prompt = render(next, turn);
  const size_t prompt_tokens = prompt.tokens.size();
  fit_to_context(turn.settings, prompt_tokens, model.context_length());

  Result result;
  try {
    result = generate_answer(next, std::move(prompt), turn, user_turn);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled) {
      cache.clear();
      throw;
    }
    result.finish_reason = FinishReason::kCancelled;
    result.prompt_tokens = static_cast<int64_t>(prompt_tokens);
    result.seed = turn.settings.seed;
  } catch (...) {
    cache.clear();
    throw;
  }

  if (result.finish_reason != FinishReason::kCancelled) {
    next.add_answer(result);
    history = std::move(next);
    tools = turn.tools;
    result.pending_tool_calls = static_cast<int64_t>(history.pending().size());
    result.finish_reason = with_tool_calls(result);
  } else {
    result.pending_tool_calls = static_cast<int64_t>(history.pending().size());
  }
  if (!turn.settings.include_reasoning) result.thinking.clear();
  if (turn.callback) turn.callback({.result = &result});
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

Result ChatSession::send(const Content& content, const GenerationOptions& config) {
  return send_stream(content, config, {});
}

Result ChatSession::send_stream(std::string_view text, const GenerationOptions& config,
                                const EventCallback& callback) {
  return send_stream(Content{std::string(text)}, config, callback);
}

Result ChatSession::send_stream(const Content& content, const GenerationOptions& config,
                                const EventCallback& callback) {
  const TurnGuard guard(impl_->busy, impl_->cancelled);
  Impl::Turn turn(*impl_, config, callback);
  History next = impl_->history;
  next.add_user(impl_->prepare(content, turn));
  return impl_->answer(std::move(next), std::move(turn), /*user_turn=*/true);
}

Result ChatSession::send_tool_result(std::string_view id, std::string_view content, bool is_error,
                                     const GenerationOptions& config) {
  return send_tool_result_stream(id, content, is_error, config, {});
}

Result ChatSession::send_tool_result(std::string_view id, const Content& content, bool is_error,
                                     const GenerationOptions& config) {
  return send_tool_result_stream(id, content, is_error, config, {});
}

Result ChatSession::send_tool_result_stream(std::string_view id, std::string_view content,
                                            bool is_error, const GenerationOptions& config,
                                            const EventCallback& callback) {
  return send_tool_result_stream(id, Content{std::string(content)}, is_error, config, callback);
}

Result ChatSession::send_tool_result_stream(std::string_view id, const Content& content,
                                            bool is_error, const GenerationOptions& config,
                                            const EventCallback& callback) {
  const TurnGuard guard(impl_->busy, impl_->cancelled);
  Impl::Turn turn(*impl_, config, callback);
  History next = impl_->history;
  next.add_tool_result(id, impl_->prepare(content, turn), is_error);
  if (next.pending().empty()) {
    return impl_->answer(std::move(next), std::move(turn), /*user_turn=*/false);
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
