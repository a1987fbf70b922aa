#include "text/output_parser.h"

#include <optional>
#include <utility>

#include "text/channel_text.h"
#include "text/tool_call.h"

namespace octavo {
namespace {

/// Ids of the control tokens; -1 for those that a vocabulary lacks.
struct ControlIds {
  explicit ControlIds(const Tokenizer& tokenizer) {
    const auto id = [&](std::string_view token) { return tokenizer.id(token).value_or(-1); };
    eos = id("<eos>");
    turn_open = id("<|turn>");
    turn_close = id("<turn|>");
    channel_open = id("<|channel>");
    channel_close = id("<channel|>");
    call_open = id("<|tool_call>");
    call_close = id("<tool_call|>");
    response_open = id("<|tool_response>");
    response_close = id("<tool_response|>");
    tool_open = id("<|tool>");
    tool_close = id("<tool|>");
    string_mark = id(kStringMark);
  }

  bool ends_turn(int32_t id) const { return id == turn_close || id == eos || id == turn_open; }
  bool opens_block(int32_t id) const { return id == response_open || id == tool_open; }
  bool closes_block(int32_t id) const { return id == response_close || id == tool_close; }

  int32_t eos, turn_open, turn_close, channel_open, channel_close, call_open, call_close,
      response_open, response_close, tool_open, tool_close, string_mark;
};

}  // namespace

struct OutputParser::Impl {
  enum class State { kMessage, kChannel, kCall, kSwallow };

  Impl(std::shared_ptr<const Tokenizer> vocabulary, bool in_reasoning, bool offered)
      : tokenizer(std::move(vocabulary)),
        ids(*tokenizer),
        detokenizer(tokenizer),
        tools_offered(offered) {
    begin_message(/*drop_space=*/false);
    if (in_reasoning) begin_channel(/*labelled=*/false);
  }

  void begin_message(bool drop_space) {
    state = State::kMessage;
    skip_space = drop_space;
    scanner.reset();
    if (tools_offered) scanner.emplace();
  }

  void begin_channel(bool labelled) {
    state = State::kChannel;
    channel = ChannelText(labelled);
  }

  void begin_call() {
    state = State::kCall;
    call_text.clear();
  }

  /// `tokens` is 0 for what is left of a token that was counted before.
  void on_text(const std::string& text, ParsedOutput& out, int tokens = 1) {
    switch (state) {
      case State::kMessage:
        on_message_text(text, out);
        break;
      case State::kChannel:
        out.reasoning += channel.push(text, tokens);
        break;
      case State::kCall:
        call_text += text;
        break;
      case State::kSwallow:
        break;
    }
  }

  void on_message_text(const std::string& text, ParsedOutput& out) {
    if (!scanner) return emit(text, out);
    switch (scanner->push(text)) {
      case PlainCallScanner::Verdict::kUndecided:
        return;
      case PlainCallScanner::Verdict::kText:
        return release_scanner(out);
      case PlainCallScanner::Verdict::kCall: {
        const std::string rest = scanner->rest();
        out.tool_calls.push_back(parse_tool_call(scanner->call()));
        begin_message(/*drop_space=*/true);
        if (!rest.empty()) on_message_text(rest, out);
      }
    }
  }

  void emit(std::string_view text, ParsedOutput& out) {
    if (skip_space) {
      const size_t visible = text.find_first_not_of(" \t\n\r");
      if (visible == std::string_view::npos) return;
      text.remove_prefix(visible);
      skip_space = false;
    }
    out.text += text;
  }

  /// What was held back in case it became a call is decided now.
  void release_scanner(ParsedOutput& out) {
    if (!scanner) return;
    const PlainCallScanner finished = *std::exchange(scanner, std::nullopt);
    if (finished.is_call()) {
      out.tool_calls.push_back(parse_tool_call(finished.held()));
      begin_message(/*drop_space=*/true);
    } else {
      emit(finished.held(), out);
    }
  }

  /// Ends the state that the parser is in.
  void finish_state(ParsedOutput& out) {
    if (std::string text = detokenizer.flush(); !text.empty()) on_text(text, out, 0);
    switch (state) {
      case State::kMessage:
        release_scanner(out);
        break;
      case State::kChannel:
        out.reasoning += channel.finish();
        reasoning_tokens += channel.tokens();
        begin_message(/*drop_space=*/true);
        break;
      case State::kCall:
        out.tool_calls.push_back(parse_tool_call(std::exchange(call_text, {})));
        begin_message(/*drop_space=*/true);
        break;
      case State::kSwallow:
        begin_message(/*drop_space=*/true);
        break;
    }
  }

  void on_control(int32_t id, ParsedOutput& out) {
    if (id == ids.string_mark) return on_string_mark(out);
    if (!ends_state(id)) return;
    finish_state(out);
    if (id == ids.channel_open) {
      begin_channel(/*labelled=*/true);
    } else if (id == ids.call_open) {
      begin_call();
    } else if (ids.opens_block(id)) {
      state = State::kSwallow;
    }
  }

  bool in_plain_call() const { return state == State::kMessage && scanner && scanner->is_call(); }

  /// Part of a call's text; elsewhere it has no meaning and is not shown.
  void on_string_mark(ParsedOutput& out) {
    if (state != State::kCall && !in_plain_call()) return;
    if (std::string text = detokenizer.flush(); !text.empty()) on_text(text, out, 0);
    on_text(std::string(kStringMark), out);
  }

  bool ends_state(int32_t id) const {
    if (ids.ends_turn(id)) return true;
    if (state == State::kSwallow) return ids.closes_block(id);
    if (ids.opens_block(id) || id == ids.call_open || id == ids.channel_open) return true;
    if (id == ids.channel_close) return state == State::kChannel || state == State::kCall;
    return id == ids.call_close && (state == State::kCall || in_plain_call());
  }

  std::shared_ptr<const Tokenizer> tokenizer;
  ControlIds ids;
  Detokenizer detokenizer;
  bool tools_offered;
  State state = State::kMessage;
  bool skip_space = false;                  // message: up to its first visible character
  std::optional<PlainCallScanner> scanner;  // message: while it could be a call
  ChannelText channel{false};
  std::string call_text;
  int64_t reasoning_tokens = 0;  // of the channels that are over
};

OutputParser::OutputParser(std::shared_ptr<const Tokenizer> tokenizer, bool in_reasoning,
                           bool tools_offered)
    : impl_(std::make_unique<Impl>(std::move(tokenizer), in_reasoning, tools_offered)) {}
OutputParser::~OutputParser() = default;
OutputParser::OutputParser(OutputParser&&) noexcept = default;

ParsedOutput OutputParser::push(int32_t id) {
  ParsedOutput out;
  if (impl_->tokenizer->is_special(id)) {
    impl_->on_control(id, out);
  } else {
    impl_->on_text(impl_->detokenizer.push(id), out);
  }
  return out;
}

ParsedOutput OutputParser::finish() {
  ParsedOutput out;
  impl_->finish_state(out);
  return out;
}

bool OutputParser::in_reasoning() const {
  return impl_->state == Impl::State::kChannel;
}

int64_t OutputParser::reasoning_tokens() const {
  const bool open = impl_->state == Impl::State::kChannel;
  return impl_->reasoning_tokens + (open ? impl_->channel.tokens() : 0);
}

}  // namespace octavo
