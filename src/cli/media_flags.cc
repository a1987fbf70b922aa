#include "cli/media_flags.h"

#include <cmath>

#include "base/fail.h"
#include "model/language_model.h"

namespace octavo::cli {
namespace {

CLI::Option* add_paths(CLI::App& command, const char* name, std::vector<std::string>& paths,
                       const char* type, const char* help) {
  return command.add_option(name, paths, help)
      ->type_name(type)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

/// What is wrong with a rate; CLI::Range accepts what is not a number. Empty if nothing is.
std::string check_rate(const std::string& text) {
  double rate = 0;
  const bool right = CLI::detail::lexical_cast(text, rate) && rate > 0 && std::isfinite(rate);
  return right ? "" : "\"" + text + "\", expected a number above 0";
}

}  // namespace

std::vector<CLI::Option*> add_media_flags(CLI::App& command, MediaFlags& flags) {
  const auto refuse = [](const std::string&) {
    throw CLI::ValidationError("--audio", "sound cannot be heard yet; send --image or --video");
  };
  command.add_option_function<std::string>("--audio", refuse)->group("");  // not in the help
  return {add_paths(command, "--image", flags.images, "FILE",
                    "Picture for the message (PNG, JPEG, WebP, GIF, BMP); may be repeated"),
          add_paths(command, "--video", flags.videos, "PATH",
                    "Folder of frames, animated GIF or WebP for the message; may be repeated"),
          command
              .add_option("--video-fps", flags.frames_per_second,
                          "Frames of a folder per second, which the model is told as times")
              ->check(check_rate)
              ->capture_default_str()};
}

void Attachments::check(const std::string& path) const {
  if (path.empty()) fail(ErrorCode::kBadRequest, "the path of a picture or video is empty");
  if (!model_.can_see()) refuse_pictures(folder_);
}

const ImageInput& Attachments::add_image(const std::string& path) {
  check(path);
  return std::get<ImageInput>(parts_.emplace_back(ImageInput::from_file(path)));
}

const VideoInput& Attachments::add_video(const std::string& path, double frames_per_second) {
  check(path);
  return std::get<VideoInput>(parts_.emplace_back(VideoInput::from_path(path, frames_per_second)));
}

void Attachments::add(const MediaFlags& flags) {
  for (const std::string& path : flags.images) add_image(path);
  for (const std::string& path : flags.videos) add_video(path, flags.frames_per_second);
}

Content Attachments::with_text(const std::string& text) const {
  Content content = parts_;
  content.push_back(text);
  return content;
}

}  // namespace octavo::cli
