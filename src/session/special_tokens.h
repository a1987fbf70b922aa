// session: the control tokens that generation has to know, found by their text: ids differ between
// vocabularies.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "text/tokenizer.h"

namespace octavo {

struct SpecialTokens {
  std::vector<int32_t> stop;     // sorted: end of sequence, end of turn, start of a tool response
  std::vector<int32_t> media;    // placeholders that must never be generated
  std::optional<int32_t> image;  // one soft token of an image
  std::optional<int32_t> video;  // one soft token of a video's frame
  std::optional<int32_t> image_begin, image_end;  // around both
  std::optional<int32_t> bos;
  std::optional<int32_t> channel_open;
  std::optional<int32_t> channel_close;

  /// `eos_ids` come from the checkpoint's configuration. Ids outside [0, vocab_size) are left out.
  static SpecialTokens find(const Tokenizer& tokenizer, std::span<const int32_t> eos_ids,
                            int64_t vocab_size);

  bool is_stop(int32_t token) const;
  /// Whether a prompt ends inside a thought channel.
  bool ends_in_channel(std::span<const int32_t> prompt) const;
};

}  // namespace octavo
