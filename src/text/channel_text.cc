#include "text/channel_text.h"

namespace octavo {
namespace {

constexpr size_t kMaxLabel = 32;

/// Labels are lower-case words; anything else is a thought whose label is missing.
bool could_be_label(std::string_view text) {
  return text.size() <= kMaxLabel &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos;
}

}  // namespace

std::string ChannelText::push(std::string_view text, int tokens) {
  if (!in_label_) {
    tokens_ += tokens;
    return release(text);
  }
  held_tokens_ += tokens;
  return strip_label(text);
}

std::string ChannelText::strip_label(std::string_view text) {
  held_ += text;
  const size_t line_end = held_.find('\n');
  const std::string all = held_;
  if (could_be_label(std::string_view(all).substr(0, line_end))) {
    if (line_end == std::string::npos) return {};
    in_label_ = false;
    held_.clear();
    const std::string_view thought = std::string_view(all).substr(line_end + 1);
    if (!thought.empty()) ++tokens_;  // the token that ended the label brought more
    return release(thought);
  }
  in_label_ = false;
  held_.clear();
  tokens_ += held_tokens_;
  return release(all);
}

std::string ChannelText::release(std::string_view text) {
  held_ += text;
  const size_t last_visible = held_.find_last_not_of(" \t\n\r");
  if (!begun_ && last_visible == std::string::npos) return {};
  begun_ = true;
  const size_t kept = held_.ends_with('\n') ? 1 : 0;
  std::string out = held_.substr(0, held_.size() - kept);
  held_.erase(0, held_.size() - kept);
  return out;
}

std::string ChannelText::finish() {
  std::string out;
  if (in_label_ && held_ != "thought") {
    tokens_ += held_tokens_;
    in_label_ = false;
    std::string text;
    text.swap(held_);
    out = release(text);
  }
  held_.clear();
  return out;
}

}  // namespace octavo
