// cli: pictures and videos that go with a message.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "octavo/octavo.h"

namespace octavo::cli {

struct MediaFlags {
  std::vector<std::string> images, videos;  // paths
  double frames_per_second = 24;            // of folders
};

/// --image, --video and --video-fps; returns them.
std::vector<CLI::Option*> add_media_flags(CLI::App& command, MediaFlags& flags);

/// What is attached to the next message.
class Attachments {
 public:
  /// Reads a file. Throws octavo::Error naming it, and for a model that cannot see.
  const ImageInput& add_image(const Model& model, const std::string& path);
  const VideoInput& add_video(const Model& model, const std::string& path,
                              double frames_per_second);
  void add(const Model& model, const MediaFlags& flags);

  void clear() { parts_.clear(); }

  /// A message: they come before the text, which answers best.
  Content with_text(const std::string& text) const;

 private:
  Content parts_;
};

}  // namespace octavo::cli
