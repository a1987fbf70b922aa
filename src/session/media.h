// session: pictures and videos of a message, ready for the model.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "engine/prompt.h"
#include "image/patches.h"
#include "octavo/content.h"

namespace octavo {

/// A picture cut into patches: what the tower takes.
struct Picture {
  std::shared_ptr<const ImagePatches> patches;
  ImageIdentity identity{};
  int64_t tokens = 0;     // soft tokens that it becomes
  std::string timestamp;  // "mm:ss" for a frame of a video
};

/// What one placeholder of a chat template stands for: an image, or the frames of a video.
struct Media {
  bool is_video = false;
  std::vector<Picture> pictures;
};

/// A message's content as the history takes it.
using MediaContent = std::vector<std::variant<std::string, Media>>;

/// How a tower wants its pictures.
struct VisionShape {
  int64_t patch_size = 16;
  int64_t pooling = 3;  // patches per soft token, in each direction
};

/// The picture with at most `max_tokens` soft tokens.
Picture make_picture(const Image& pixels, const VisionShape& shape, int64_t max_tokens);

inline constexpr int64_t kDefaultImageTokens = 280, kDefaultVideoTokens = 70;

struct MediaBudget {
  int64_t image_tokens = kDefaultImageTokens;  // at most, per image
  int64_t video_tokens = kDefaultVideoTokens;  // at most, per frame
};

/// The soft tokens that it would have.
int64_t soft_tokens(const ImageInput& image, const VisionShape& shape, int64_t max_tokens);

/// Throws kUnsupported: the model cannot see.
[[noreturn]] void refuse_pictures();

/// `shape` is null for a model that cannot see. Throws kUnsupported for pictures then, and always
/// for sound.
MediaContent prepare_media(const Content& content, const VisionShape* shape,
                           const MediaBudget& budget);

}  // namespace octavo
