#include "session/history.h"

#include <algorithm>

#include "base/fail.h"
#include "session/tools.h"
#include "text/chat_template.h"
#include "text/utf8.h"

namespace octavo {
namespace {

using Json = nlohmann::ordered_json;

std::string plain(std::string_view text) {
  std::string pending(text);
  return neutralise_control_tokens(take_complete_utf8(pending, /*at_end=*/true));
}

/// Adjacent texts as one.
MediaContent with_joined_texts(MediaContent content) {
  MediaContent joined;
  for (auto& part : content) {
    const auto* text = std::get_if<std::string>(&part);
    auto* before = joined.empty() ? nullptr : std::get_if<std::string>(&joined.back());
    if (text != nullptr && before != nullptr) {
      *before += *text;
    } else {
      joined.push_back(std::move(part));
    }
  }
  return joined;
}

/// All texts in front: templates print those of a tool's result as one value, pictures behind it.
MediaContent texts_first(MediaContent content) {
  std::ranges::stable_partition(
      content, [](const auto& part) { return std::holds_alternative<std::string>(part); });
  return content;
}

Json call_message(const ToolCall& call) {
  // A call that did not parse keeps its text, as an object: some templates refuse strings.
  Json arguments = call.status == ToolCall::Status::kOk ? neutralised(Json::parse(call.arguments))
                                                        : Json{{"text", plain(call.arguments)}};
  return {{"id", call.id},
          {"type", "function"},
          {"function", {{"name", plain(call.name)}, {"arguments", std::move(arguments)}}}};
}

std::string ids_of(const std::vector<ToolCall>& calls) {
  std::string ids;
  for (const ToolCall& call : calls) ids += (ids.empty() ? "" : ", ") + call.id;
  return ids;
}

}  // namespace

History::History(std::string_view system) {
  if (!system.empty()) messages_.push_back({{"role", "system"}, {"content", plain(system)}});
}

std::vector<ToolCall> History::pending() const {
  std::vector<ToolCall> calls;
  for (const OpenCall& open : open_calls_) {
    if (!open.result) calls.push_back(open.call);
  }
  return calls;
}

/// As a message holds it: a string, or an array of parts if there are pictures.
Json History::take_content(MediaContent content) {
  content = with_joined_texts(std::move(content));
  if (content.empty()) return "";
  if (content.size() == 1 && std::holds_alternative<std::string>(content[0])) {
    return plain(std::get<std::string>(content[0]));
  }
  Json parts = Json::array();
  for (auto& part : content) {
    if (const auto* text = std::get_if<std::string>(&part)) {
      parts.push_back({{"type", "text"}, {"text", plain(*text)}});
    } else {
      media_.push_back(std::get<Media>(std::move(part)));
      const Media& media = media_.back();
      Json& entry = parts.emplace_back(Json{{"type", media.is_video ? "video" : "image"}});
      if (!media.name.empty()) entry["name"] = plain(media.name);
    }
  }
  return parts;
}

void History::add_user(MediaContent content) {
  if (const auto calls = pending(); !calls.empty()) {
    fail(
        ErrorCode::kBadRequest,
        "send: {} tool call(s) wait for a result ({}): answer each with send_tool_result, or reset",
        calls.size(), ids_of(calls));
  }
  messages_.push_back({{"role", "user"}, {"content", take_content(std::move(content))}});
}

void History::add_answer(Result& result) {
  ++turns_;
  Json message{{"role", "assistant"}, {"content", plain(result.text)}};
  if (!result.thinking.empty()) message["reasoning"] = plain(result.thinking);
  if (result.tool_calls.empty()) {
    messages_.push_back(std::move(message));
    return;
  }
  // Templates write a message's calls before its content. Text that came first is a message of its
  // own; the calls go on with the same turn.
  if (!result.text.empty()) {
    messages_.push_back(std::move(message));
    message = {{"role", "assistant"}, {"content", ""}};
  }
  message["tool_calls"] = Json::array();
  for (ToolCall& call : result.tool_calls) {
    call.id = fmt::format("call_{}", ++calls_);
    message["tool_calls"].push_back(call_message(call));
    OpenCall open{call, std::nullopt};
    if (call.status != ToolCall::Status::kOk) {
      open.result = MediaContent{"Error: the call could not be read: " + call.error};
    }
    open_calls_.push_back(std::move(open));
  }
  messages_.push_back(std::move(message));
  close_calls_if_all_answered();
}

void History::add_tool_result(std::string_view id, MediaContent content, bool is_error) {
  const auto open = std::find_if(open_calls_.begin(), open_calls_.end(),
                                 [&](const OpenCall& c) { return c.call.id == id && !c.result; });
  if (open == open_calls_.end()) {
    const std::string ids = ids_of(pending());
    fail(ErrorCode::kBadRequest, "send_tool_result: no pending call \"{}\", pending: {}",
         printable(id), ids.empty() ? "none" : ids);
  }
  if (is_error) content.insert(content.begin(), "Error: ");
  open->result = texts_first(std::move(content));
  close_calls_if_all_answered();
}

void History::close_calls_if_all_answered() {
  if (!pending().empty()) return;
  for (OpenCall& open : open_calls_) {
    messages_.push_back({{"role", "tool"},
                         {"tool_call_id", open.call.id},
                         {"name", plain(open.call.name)},
                         {"content", take_content(std::move(*open.result))}});
  }
  open_calls_.clear();
}

}  // namespace octavo
