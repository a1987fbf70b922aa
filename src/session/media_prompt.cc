#include "session/media_prompt.h"

#include <algorithm>

#include "base/fail.h"

namespace octavo {
namespace {

constexpr std::string_view kImage = "<|image|>", kVideo = "<|video|>";

struct Placeholder {
  size_t begin = std::string_view::npos;
  bool is_video = false;
};

Placeholder next_placeholder(std::string_view text, size_t from) {
  const size_t image = text.find(kImage, from), video = text.find(kVideo, from);
  return {std::min(image, video), video < image};
}

std::string frames_text(const Media& video) {
  std::string text;
  for (const Picture& frame : video.pictures) {
    if (!text.empty()) text += ' ';
    text += frame.timestamp;
    text += ' ';
    text += kImage;
  }
  return text;
}

/// The text with one <|image|> per picture: the vocabulary need not have <|video|>.
std::string with_frames(std::string_view rendered, std::span<const Media> media) {
  std::string text;
  size_t done = 0, count = 0;
  for (;;) {
    const Placeholder next = next_placeholder(rendered, done);
    if (next.begin == std::string_view::npos) break;
    if (count == media.size() || media[count].is_video != next.is_video) {
      fail(ErrorCode::kUnsupported,
           "chat template: prints other placeholders than the images and videos of the messages");
    }
    text += rendered.substr(done, next.begin - done);
    text += next.is_video ? frames_text(media[count]) : std::string(kImage);
    done = next.begin + (next.is_video ? kVideo : kImage).size();
    ++count;
  }
  if (count != media.size()) {
    fail(ErrorCode::kUnsupported,
         "chat template: prints {} placeholders for the {} images and videos of the messages",
         count, media.size());
  }
  text += rendered.substr(done);
  return text;
}

std::vector<const Picture*> all_pictures(std::span<const Media> media) {
  std::vector<const Picture*> pictures;
  for (const Media& item : media) {
    for (const Picture& picture : item.pictures) pictures.push_back(&picture);
  }
  return pictures;
}

}  // namespace

Prompt media_prompt(std::string_view rendered, std::span<const Media> media,
                    const Tokenizer& tokenizer, const SpecialTokens& special) {
  if (media.empty()) return {tokenizer.encode(rendered), {}};
  if (!special.image || !special.image_begin || !special.image_end) {
    fail(ErrorCode::kUnsupported, "tokenizer.json: lacks the tokens around pictures");
  }
  const std::vector<const Picture*> pictures = all_pictures(media);
  Prompt prompt;
  for (const int32_t token : tokenizer.encode(with_frames(rendered, media))) {
    if (token != special.image) {
      prompt.tokens.push_back(token);
      continue;
    }
    const Picture& picture = *pictures.at(prompt.images.size());
    prompt.tokens.push_back(*special.image_begin);
    const auto count = static_cast<size_t>(picture.tokens);
    prompt.images.push_back({prompt.tokens.size(), count, picture.identity});
    const bool is_frame = !picture.timestamp.empty();
    prompt.tokens.insert(prompt.tokens.end(), count,
                         is_frame ? special.video.value_or(token) : token);
    prompt.tokens.push_back(*special.image_end);
  }
  return prompt;
}

}  // namespace octavo
