#include "session/media.h"

#include "base/fail.h"
#include "image/video.h"

namespace octavo {
namespace {

PatchOptions patch_options(const VisionShape& shape, int64_t max_tokens) {
  return {.max_soft_tokens = max_tokens, .patch_size = shape.patch_size, .pooling = shape.pooling};
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
    return make_picture(image.pixels(), *shape_, max_tokens);
  }

  const VisionShape* shape_;
  const MediaBudget& budget_;
};

}  // namespace

Picture make_picture(const Image& pixels, const VisionShape& shape, int64_t max_tokens) {
  ImagePatches patches = make_patches(pixels, patch_options(shape, max_tokens));
  Picture picture;
  picture.identity = content_hash(patches);
  picture.tokens = patches.rows * patches.columns / (shape.pooling * shape.pooling);
  picture.patches = std::make_shared<const ImagePatches>(std::move(patches));
  return picture;
}

int64_t soft_tokens(const ImageInput& image, const VisionShape& shape, int64_t max_tokens) {
  const ImageSize size =
      patched_size({image.height(), image.width()}, patch_options(shape, max_tokens));
  const int64_t side = shape.patch_size * shape.pooling;
  return size.height / side * (size.width / side);
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
