#include "image/video.h"

#include <octavo_ffi.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/fail.h"
#include "base/mapped_file.h"
#include "image/ffi_image.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Takes the digits at the front of `text`, without zeros that lead them.
std::string_view take_number(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_digit);
  std::string_view digits(text.begin(), end);
  text = {end, text.end()};
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits;
}

/// "frame2" before "frame10"; what differs in leading zeros alone is ordered as text.
bool natural_less(std::string_view a, std::string_view b) {
  const std::pair whole(a, b);
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const std::string_view x = take_number(a), y = take_number(b);
      if (x != y) return x.size() != y.size() ? x.size() < y.size() : x < y;
    } else {
      if (a.front() != b.front()) return a.front() < b.front();
      a.remove_prefix(1);
      b.remove_prefix(1);
    }
  }
  if (a.empty() && b.empty()) return whole.first < whole.second;
  return a.empty();
}

bool is_picture_name(const fs::path& path) {
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::string_view kKnown[] = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"};
  return std::ranges::find(kKnown, extension) != std::end(kKnown);
}

std::vector<fs::path> frame_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path& path = entry->path();
    if (!path.filename().string().starts_with('.') && is_picture_name(path)) files.push_back(path);
  }
  if (error) fail(ErrorCode::kIo, "{}: {}", folder.string(), error.message());
  if (files.empty()) {
    fail(ErrorCode::kBadFile, "{}: no pictures, expected frames in PNG, JPEG, WebP, GIF or BMP",
         folder.string());
  }
  std::ranges::sort(files, natural_less, [](const fs::path& path) { return path.string(); });
  return files;
}

void visit_folder(const fs::path& folder, const VideoOptions& options,
                  FunctionRef<void(VideoFrame)> visit) {
  const std::vector<fs::path> files = frame_files(folder);
  for (const int64_t index : sampled_frames(std::ssize(files), options.max_frames)) {
    const double seconds = static_cast<double>(index) / options.frames_per_second;
    visit({seconds, read_image(files[static_cast<size_t>(index)], options.limits)});
  }
}

/// Browsers show frames without a sensible time for a tenth of a second.
uint32_t shown_milliseconds(uint32_t delay) {
  return delay <= 10 ? 100 : delay;
}

void validate(const VideoOptions& options) {
  if (options.max_frames < 1) {
    fail(ErrorCode::kBadRequest, "{} frames of a video, expected at least 1", options.max_frames);
  }
  if (!(options.frames_per_second > 0) || !std::isfinite(options.frames_per_second)) {
    fail(ErrorCode::kBadRequest, "{} frames per second, expected more than 0",
         options.frames_per_second);
  }
}

}  // namespace

std::vector<int64_t> sampled_frames(int64_t total, int64_t max_frames) {
  std::vector<int64_t> indices(static_cast<size_t>(std::min(total, max_frames)));
  for (size_t i = 0; i < indices.size(); ++i) {
    indices[i] = static_cast<int64_t>(i) * total / std::ssize(indices);
  }
  return indices;
}

std::string video_time(double seconds) {
  const int64_t whole = static_cast<int64_t>(seconds);
  return fmt::format("{:02}:{:02}", whole / 60, whole % 60);
}

void visit_animation(std::span<const std::byte> bytes, const std::string& source,
                     const VideoOptions& options, FunctionRef<void(VideoFrame)> visit) {
  validate(options);
  const OctavoFfiImageLimits limits = ffi_limits(bytes, source, options.limits);
  OctavoFfiAnimation* handle = nullptr;
  if (octavo_ffi_animation_open(ffi_bytes(bytes), bytes.size(), &limits, &handle) !=
      OCTAVO_FFI_OK) {
    fail_as_ffi(source);
  }
  const std::unique_ptr<OctavoFfiAnimation, decltype(&octavo_ffi_animation_free)> animation(
      handle, octavo_ffi_animation_free);
  uint64_t milliseconds = 0;
  uint32_t next = 0;
  const std::vector<int64_t> sampled =
      sampled_frames(octavo_ffi_animation_frames(handle), options.max_frames);
  const std::vector<uint32_t> chosen(sampled.begin(), sampled.end());
  if (octavo_ffi_animation_choose(handle, chosen.data(), chosen.size()) != OCTAVO_FFI_OK) {
    fail_as_ffi(source);
  }
  for (const uint32_t index : chosen) {
    for (; next < index; ++next) {
      milliseconds += shown_milliseconds(octavo_ffi_animation_delay(handle, next));
    }
    Image image = make_ffi_image(octavo_ffi_animation_size(handle));
    if (octavo_ffi_animation_read(handle, next, image.rgb.data(), image.rgb.size()) !=
        OCTAVO_FFI_OK) {
      fail_as_ffi(source);
    }
    visit({static_cast<double>(milliseconds) / 1000, std::move(image)});
  }
  if (octavo_ffi_animation_finish(handle) != OCTAVO_FFI_OK) fail_as_ffi(source);
}

void visit_video(const std::filesystem::path& path, const VideoOptions& options,
                 FunctionRef<void(VideoFrame)> visit) {
  validate(options);
  std::error_code error;
  if (fs::is_directory(path, error)) return visit_folder(path, options, visit);
  const MappedFile file(path);
  visit_animation(file.bytes(), path.string(), options, visit);
}

}  // namespace octavo
