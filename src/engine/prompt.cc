#include "engine/prompt.h"

#include <algorithm>

namespace octavo {

size_t chunk_end(const PromptView& prompt, size_t begin, size_t chunk) {
  const size_t end = begin + std::min(chunk, prompt.tokens.size() - begin);
  for (const PromptImage& image : prompt.images) {
    if (image.first_token < end && end < image.end()) {
      return image.first_token > begin ? image.first_token : image.end();
    }
  }
  return end;
}

std::span<const PromptImage> images_within(std::span<const PromptImage> images, size_t begin,
                                           size_t end) {
  const auto first = std::ranges::lower_bound(images, begin, {}, &PromptImage::first_token);
  const auto last = std::ranges::lower_bound(images, end, {}, &PromptImage::first_token);
  return {first, last};
}

std::vector<ImageRun> image_runs(std::span<const PromptImage> images, size_t begin) {
  std::vector<ImageRun> runs;
  for (const PromptImage& image : images) {
    runs.push_back({static_cast<int64_t>(image.first_token - begin), image.features.get()});
  }
  return runs;
}

}  // namespace octavo
