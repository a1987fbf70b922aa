#include "session/media.h"

#include "base/fail.h"
#include "image/video.h"
#include "model/language_model.h"

namespace octavo {
namespace {

class MediaPreparer {
 public:
  MediaPreparer(const PatchOptions* shape, const MediaBudget& budget)
      : shape_(shape), budget_(budget) {}

  std::variant<std::string, Media> operator()(const std::string& text) const { return text; }

  std::variant<std::string, Media> operator()(const ImageInput& image) const {
    return Media{false, {picture(image, budget_.image_tokens)}, image.name()};
  }

  std::variant<std::string, Media> operator()(const VideoInput& video) const {
    Media media{true, {}, video.name()};
    for (const FrameInput& frame : video.frames()) {
      media.pictures.push_back(picture(frame.image, budget_.video_tokens));
      media.pictures.back().timestamp = video_time(frame.seconds);
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
    return make_picture(image.pixels(), with_budget(*shape_, max_tokens));
  }

  const PatchOptions* shape_;
  const MediaBudget& budget_;
};

}  // namespace

Picture make_picture(const Image& pixels, const PatchOptions& options) {
  ImagePatches patches = make_patches(pixels, options);
  Picture picture;
  picture.identity = content_hash(patches);
  picture.tokens = soft_tokens({pixels.height, pixels.width}, options);
  picture.patches = std::make_shared<const ImagePatches>(std::move(patches));
  return picture;
}

PatchOptions with_budget(PatchOptions shape, int64_t max_tokens) {
  shape.max_soft_tokens = max_tokens;
  return shape;
}

MediaContent prepare_media(const Content& content, const PatchOptions* shape,
                           const MediaBudget& budget) {
  MediaContent prepared;
  for (const ContentPart& part : content) {
    prepared.push_back(std::visit(MediaPreparer(shape, budget), part));
  }
  return prepared;
}

}  // namespace octavo
