#include "octavo/content.h"

#include <utility>

#include "base/fail.h"
#include "image/data_url.h"
#include "image/decode.h"
#include "image/video.h"

namespace octavo {
namespace {

constexpr int64_t kMaxFrames = 32;
constexpr int64_t kMaxVideoPixels = int64_t{1} << 28;  // 32 frames of 3840 x 2160
constexpr double kMaxSeconds = 1e6;

}  // namespace

ImageInput::ImageInput(Image pixels, std::string name)
    : pixels_(std::make_shared<const Image>(std::move(pixels))), name_(std::move(name)) {}

ImageInput ImageInput::from_file(const std::filesystem::path& file) {
  return ImageInput(read_image(file), file.string());
}

ImageInput ImageInput::from_bytes(std::span<const std::byte> bytes, std::string_view name) {
  return ImageInput(decode_image(bytes, std::string(name)), std::string(name));
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

VideoInput::VideoInput(std::vector<FrameInput> frames, std::string name)
    : frames_(std::make_shared<const std::vector<FrameInput>>(std::move(frames))),
      name_(std::move(name)) {}

VideoInput VideoInput::from_path(const std::filesystem::path& path, double frames_per_second) {
  std::vector<FrameInput> frames;
  int64_t pixels = 0;
  const auto add = [&](VideoFrame frame) {
    pixels += frame.image.width * frame.image.height;
    if (pixels > kMaxVideoPixels) {
      fail(ErrorCode::kBadFile, "{}: frames of more than {} pixels together", path.string(),
           kMaxVideoPixels);
    }
    frames.push_back({ImageInput(std::move(frame.image)), frame.seconds});
  };
  visit_video(
      path, {.max_frames = kMaxFrames, .frames_per_second = frames_per_second, .limits = {}}, add);
  return VideoInput(std::move(frames), path.string());
}

VideoInput VideoInput::from_frames(std::vector<FrameInput> frames) {
  if (frames.empty()) fail(ErrorCode::kBadRequest, "video: has no frames");
  for (size_t i = 0; i < frames.size(); ++i) {
    const double seconds = frames[i].seconds;
    if (!(seconds >= 0 && seconds <= kMaxSeconds)) {
      fail(ErrorCode::kBadRequest, "video: frame {} is shown at {} s, expected 0 to {}", i, seconds,
           kMaxSeconds);
    }
  }
  std::vector<FrameInput> kept;
  for (const int64_t index : sampled_frames(std::ssize(frames), kMaxFrames)) {
    kept.push_back(std::move(frames[static_cast<size_t>(index)]));
  }
  return VideoInput(std::move(kept));
}

}  // namespace octavo
