#include "cli/media_flags.h"

#include "base/fail.h"

namespace octavo::cli {
namespace {

void require_eyes(const Model& model, const std::string& path) {
  if (model.can_see()) return;
  fail(ErrorCode::kUnsupported, "{}: this model cannot see: its checkpoint has no vision tower",
       printable(path));
}

CLI::Option* add_paths(CLI::App& command, const char* name, std::vector<std::string>& paths,
                       const char* type, const char* help) {
  return command.add_option(name, paths, help)
      ->type_name(type)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

}  // namespace

std::vector<CLI::Option*> add_media_flags(CLI::App& command, MediaFlags& flags) {
  return {add_paths(command, "--image", flags.images, "FILE",
                    "Picture for the message (PNG, JPEG, WebP, GIF, BMP); may be repeated"),
          add_paths(command, "--video", flags.videos, "PATH",
                    "Folder of frames, animated GIF or WebP for the message; may be repeated"),
          command
              .add_option("--video-fps", flags.frames_per_second,
                          "Frames of a folder per second, which the model is told as times")
              ->capture_default_str()};
}

const ImageInput& Attachments::add_image(const Model& model, const std::string& path) {
  require_eyes(model, path);
  return std::get<ImageInput>(parts_.emplace_back(ImageInput::from_file(path)));
}

const VideoInput& Attachments::add_video(const Model& model, const std::string& path,
                                         double frames_per_second) {
  require_eyes(model, path);
  return std::get<VideoInput>(parts_.emplace_back(VideoInput::from_path(path, frames_per_second)));
}

void Attachments::add(const Model& model, const MediaFlags& flags) {
  for (const std::string& path : flags.images) add_image(model, path);
  for (const std::string& path : flags.videos) add_video(model, path, flags.frames_per_second);
}

Content Attachments::with_text(const std::string& text) const {
  Content content = parts_;
  content.push_back(text);
  return content;
}

}  // namespace octavo::cli
