// cli: pictures and videos that go with a message.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "octavo/octavo.h"

namespace octavo::cli {

struct MediaFlags {
  std::vector<std::string> images, videos;  // paths
  double frames_per_second = 24;            // of folders
};

/// --image, --video and --video-fps; returns them. --audio is refused.
std::vector<CLI::Option*> add_media_flags(CLI::App& command, MediaFlags& flags);

/// What is attached to the next message.
class Attachments {
 public:
  /// `folder` is the model's.
  Attachments(Model model, std::string folder)
      : model_(std::move(model)), folder_(std::move(folder)) {}

  /// Reads a file. Throws octavo::Error naming it, or the folder of a model that cannot see.
  const ImageInput& add_image(const std::string& path);
  const VideoInput& add_video(const std::string& path, double frames_per_second);
  void add(const MediaFlags& flags);

  void clear() { parts_.clear(); }

  /// A message: they come before the text, which answers best.
  Content with_text(const std::string& text) const;

 private:
  void check(const std::string& path) const;

  Model model_;
  std::string folder_;
  Content parts_;
};

}  // namespace octavo::cli
