// image: videos as pictures with times: a folder of frames, an animated GIF or WebP.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "image/decode.h"
#include "image/image.h"

namespace octavo {

struct VideoFrame {
  double seconds = 0;  // since the beginning of the video
  Image image;
};

struct VideoOptions {
  int64_t max_frames = 32;        // spread evenly over longer videos
  double frames_per_second = 24;  // of a folder; animations bring their own times
  ImageLimits limits;
};

/// Reads a video, one frame in memory at a time: the pictures of a folder, in the natural order of
/// their names (2 before 10), or the frames of an animated GIF or WebP. Throws kIo, kBadFile naming
/// the file, or kBadRequest for options below 1 frame or not above 0 frames per second.
void visit_video(const std::filesystem::path& path, const VideoOptions& options,
                 FunctionRef<void(VideoFrame)> visit);

/// The same for the bytes of an animation; `source` stands for the file in messages.
void visit_animation(std::span<const std::byte> bytes, const std::string& source,
                     const VideoOptions& options, FunctionRef<void(VideoFrame)> visit);

/// Which of `total` frames are taken: i * total / count for count = min(total, max_frames).
std::vector<int64_t> sampled_frames(int64_t total, int64_t max_frames);

/// "mm:ss", whole seconds that have passed; more than two digits from 100 minutes.
std::string video_time(double seconds);

}  // namespace octavo
