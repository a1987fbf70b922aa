// What a message is made of: texts, pictures, videos, in the order in which the model reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace octavo {

struct Image;

/// A decoded picture. Copies share the pixels. PNG, JPEG, WebP, GIF (the first frame) and BMP are
/// read; EXIF orientation is applied, alpha is dropped, a single transparent colour becomes white.
class ImageInput {
 public:
  /// Each throws octavo::Error (kIo, kBadFile, kUnsupported) naming the file, `name` or the URL's
  /// fault.
  static ImageInput from_file(const std::filesystem::path& file);
  static ImageInput from_bytes(std::span<const std::byte> bytes, std::string_view name = "image");
  static ImageInput from_data_url(std::string_view url);  // data:image/png;base64,...
  /// 8-bit pixels, row by row: height x width x 3 bytes. Throws kBadRequest for another number.
  static ImageInput from_rgb(int64_t width, int64_t height, std::vector<uint8_t> rgb);

  int64_t width() const;
  int64_t height() const;
  const std::string& name() const { return name_; }  // its file's path, or as given; may be empty
  const Image& pixels() const { return *pixels_; }   // for Octavo's own parts

 private:
  friend class VideoInput;
  explicit ImageInput(Image pixels, std::string name = {});
  std::shared_ptr<const Image> pixels_;
  std::string name_;
};

struct FrameInput {
  ImageInput image;
  double seconds = 0;  // since the beginning; at least 0
};

/// Pictures with the times at which they are shown. At most 32 are taken, spread evenly.
class VideoInput {
 public:
  /// An animated GIF or WebP, or a folder of pictures in the order of their names (2 before 10),
  /// which are shown `frames_per_second` after each other. Throws octavo::Error naming the file.
  static VideoInput from_path(const std::filesystem::path& path, double frames_per_second = 24);
  /// Throws kBadRequest for no frames or a time that is negative or not a number.
  static VideoInput from_frames(std::vector<FrameInput> frames);

  std::span<const FrameInput> frames() const { return *frames_; }
  const std::string& name() const { return name_; }  // its path; may be empty

 private:
  explicit VideoInput(std::vector<FrameInput> frames, std::string name = {});
  std::shared_ptr<const std::vector<FrameInput>> frames_;
  std::string name_;
};

/// Sound, which Octavo does not hear yet: a message with it is refused with kUnsupported.
struct AudioInput {
  std::string name;  // for the message
};

/// One part of a message. A string literal is a text.
using ContentPart = std::variant<std::string, ImageInput, VideoInput, AudioInput>;

/// Texts that follow each other are one text. Gemma 4 answers best with pictures before the text
/// that asks about them.
using Content = std::vector<ContentPart>;

}  // namespace octavo
