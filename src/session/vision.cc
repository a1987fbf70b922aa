#include "session/vision.h"

namespace octavo {

int64_t Vision::fill_in_features(Prompt& prompt, std::span<const Media> media, size_t cached,
                                 const std::atomic<bool>& cancelled) {
  int64_t encoded = 0;
  size_t index = 0;
  for (const Media& item : media) {
    for (const Picture& picture : item.pictures) {
      PromptImage& image = prompt.images.at(index++);
      if (image.first_token < cached) continue;
      const auto found = cache_.get(
          picture.identity, [&] { return encode_(*picture.patches, cancelled); }, cancelled);
      image.features = found.features;
      encoded += found.encoded ? 1 : 0;
    }
  }
  return encoded;
}

}  // namespace octavo
