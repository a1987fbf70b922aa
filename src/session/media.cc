#include "session/media.h"

#include "base/fail.h"
#include "image/wip.h"

namespace octavo {
namespace {

/// "mm:ss", whole seconds; hours are minutes above 59.
std::string timestamp(double seconds) {
  const auto whole = static_cast<int64_t>(seconds);
  return fmt::format("{:02}:{:02}", whole / 60, whole % 60);
}

class MediaPreparer {
 public:
  MediaPreparer(const VisionShape* shape, const MediaBudget& budget)
      : shape_(shape), budget_(budget) {}

  std::variant<std::string, Media> operator()(const std::string& text) const { return text; }

  std::variant<std::string, Media> operator()(const ImageInput& image) const {
    return Media{false, {picture(image, budget_.image_tokens)}};
  }

  std::variant<std::string, Media> operator()(const VideoInput& video) const {
    Media media{true, {}};
    for (const VideoFrame& frame : video.frames()) {
      media.pictures.push_back(picture(frame.image, budget_.video_tokens));
      media.pictures.back().timestamp = timestamp(frame.seconds);
    }
    return media;
  }

  std::variant<std::string, Media> operator()(const AudioInput& audio) const {
    fail(ErrorCode::kUnsupported, "{}: sound cannot be heard yet; send text, images or videos",
         audio.name.empty() ? "audio" : printable(audio.name));
  }

 private:
  Picture picture(const ImageInput& image, int64_t max_tokens) const {
    if (shape_ == nullptr) refuse_pictures();
    return make_picture(image.pixels(), *shape_, max_tokens);
  }

  const VisionShape* shape_;
  const MediaBudget& budget_;
};

}  // namespace

Picture make_picture(const Image& pixels, const VisionShape& shape, int64_t max_tokens) {
  ImagePatches patches = make_patches(
      pixels,
      {.patch_size = shape.patch_size, .pooling = shape.pooling, .max_soft_tokens = max_tokens});
  Picture picture;
  picture.identity = content_hash(patches);
  picture.tokens = patches.rows * patches.columns / (shape.pooling * shape.pooling);
  picture.patches = std::make_shared<const ImagePatches>(std::move(patches));
  return picture;
}

int64_t soft_tokens(const ContentPart& part, const VisionShape& shape, const MediaBudget& budget) {
  const auto prepared = std::visit(MediaPreparer(&shape, budget), part);
  int64_t tokens = 0;
  for (const Picture& picture : std::get<Media>(prepared).pictures) tokens += picture.tokens;
  return tokens;
}

void refuse_pictures() {
  fail(ErrorCode::kUnsupported,
       "this model cannot see: its checkpoint has no vision tower; send text only");
}

MediaContent prepare_media(const Content& content, const VisionShape* shape,
                           const MediaBudget& budget) {
  MediaContent prepared;
  for (const ContentPart& part : content) {
    prepared.push_back(std::visit(MediaPreparer(shape, budget), part));
  }
  return prepared;
}

}  // namespace octavo
