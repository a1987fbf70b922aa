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
  std::string name;  // for people; may be empty
};

/// A message's content as the history takes it.
using MediaContent = std::vector<std::variant<std::string, Media>>;

/// The picture as a tower wants it.
Picture make_picture(const Image& pixels, const PatchOptions& options);

struct MediaBudget {
  int64_t image_tokens = kDefaultImageTokens;  // at most, per image
  int64_t video_tokens = kDefaultVideoTokens;  // at most, per frame
};

/// `shape` says how a tower wants its pictures, but for their budget; it is null for a model that
/// cannot see. Throws kUnsupported for pictures then, and always for sound.
MediaContent prepare_media(const Content& content, const PatchOptions* shape,
                           const MediaBudget& budget);

PatchOptions with_budget(PatchOptions shape, int64_t max_tokens);

}  // namespace octavo
