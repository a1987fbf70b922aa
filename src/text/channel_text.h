// text: what of a thought channel's text is reasoning.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace octavo {

/// Takes the text of one channel piece by piece and gives it on without the label line, without the
/// newline that the chat format puts before the end, and not at all if it is white space only. So a
/// thought that is shown and sent back renders to the same tokens again.
class ChannelText {
 public:
  /// `labelled`: the text begins with a label line, as after the opening token.
  explicit ChannelText(bool labelled) : in_label_(labelled) {}

  /// The text of `tokens` tokens; returns the reasoning that is certain now.
  std::string push(std::string_view text, int tokens = 1);
  /// The channel is over.
  std::string finish();

  int64_t tokens() const { return tokens_; }

 private:
  std::string strip_label(std::string_view text);
  std::string release(std::string_view text);

  bool in_label_;
  bool begun_ = false;  // something other than white space came
  std::string held_;
  int64_t held_tokens_ = 0;
  int64_t tokens_ = 0;
};

}  // namespace octavo
