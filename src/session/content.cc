#include "octavo/content.h"

#include <utility>

#include "base/fail.h"
#include "image/wip.h"

namespace octavo {
namespace {

constexpr size_t kMaxFrames = 32;
constexpr double kMaxSeconds = 1e6;

/// At most kMaxFrames of them, spread evenly, the first one included.
std::vector<VideoFrame> sampled(std::vector<VideoFrame> frames) {
  if (frames.size() <= kMaxFrames) return frames;
  std::vector<VideoFrame> kept;
  for (size_t i = 0; i < kMaxFrames; ++i) {
    kept.push_back(std::move(frames[i * frames.size() / kMaxFrames]));
  }
  return kept;
}

}  // namespace

ImageInput::ImageInput(Image pixels) : pixels_(std::make_shared<const Image>(std::move(pixels))) {}

ImageInput ImageInput::from_file(const std::filesystem::path& file) {
  return ImageInput(read_image(file));
}

ImageInput ImageInput::from_bytes(std::span<const std::byte> bytes, std::string_view name) {
  return ImageInput(decode_image(bytes, std::string(name)));
}

ImageInput ImageInput::from_data_url(std::string_view url) {
  return ImageInput(decode_image(parse_data_url(url), "data URL"));
}

ImageInput ImageInput::from_rgb(int64_t width, int64_t height, std::vector<uint8_t> rgb) {
  constexpr int64_t kMaxSide = 1 << 16;
  if (width < 1 || height < 1 || width > kMaxSide || height > kMaxSide) {
    fail(ErrorCode::kBadRequest, "image: {} x {} pixels, expected 1 to {} each way", width, height,
         kMaxSide);
  }
  if (std::cmp_not_equal(rgb.size(), width * height * 3)) {
    fail(ErrorCode::kBadRequest, "image: {} bytes, expected {} x {} pixels of 3", rgb.size(), width,
         height);
  }
  return ImageInput(Image{width, height, std::move(rgb)});
}

int64_t ImageInput::width() const {
  return pixels_->width;
}
int64_t ImageInput::height() const {
  return pixels_->height;
}

VideoInput::VideoInput(std::vector<VideoFrame> frames)
    : frames_(std::make_shared<const std::vector<VideoFrame>>(std::move(frames))) {}

VideoInput VideoInput::from_path(const std::filesystem::path& path) {
  std::vector<VideoFrame> frames;
  for (auto& [image, seconds] : read_video(path)) {
    frames.push_back(
        {ImageInput::from_rgb(image.width, image.height, std::move(image.rgb)), seconds});
  }
  return from_frames(std::move(frames));
}

VideoInput VideoInput::from_frames(std::vector<VideoFrame> frames) {
  if (frames.empty()) fail(ErrorCode::kBadRequest, "video: has no frames");
  for (size_t i = 0; i < frames.size(); ++i) {
    const double seconds = frames[i].seconds;
    if (!(seconds >= 0 && seconds <= kMaxSeconds)) {
      fail(ErrorCode::kBadRequest, "video: frame {} is shown at {} s, expected 0 to {}", i, seconds,
           kMaxSeconds);
    }
  }
  return VideoInput(sampled(std::move(frames)));
}

}  // namespace octavo
