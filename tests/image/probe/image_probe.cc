// The image module on standard input and output, for the parity tests in Python. One request a
// line, one answer each: a line, and bytes where it says how many.
//
//   pixels PATH           "WIDTH HEIGHT BYTES", 8-bit RGB
//   patches BUDGET PATH   "COLUMNS ROWS BYTES", the patches of that many soft tokens
//   video PATH            "FRAMES", then of each "MM:SS SECONDS WIDTH HEIGHT BYTES", 8-bit RGB
//
// A request that fails is answered by "error MESSAGE".
#include <fmt/format.h>

#include <iostream>
#include <string>

#include "image/decode.h"
#include "image/patches.h"
#include "image/video.h"
#include "octavo/error.h"

namespace {

void write(const std::vector<uint8_t>& bytes) {
  std::cout.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
}

std::string rest_of_line() {
  std::string text;
  std::getline(std::cin >> std::ws, text);
  return text;
}

void answer_pixels() {
  const octavo::Image image = octavo::read_image(rest_of_line());
  std::cout << fmt::format("{} {} {}\n", image.width, image.height, image.rgb.size());
  write(image.rgb);
}

void answer_patches() {
  octavo::PatchOptions options;
  std::cin >> options.max_soft_tokens;
  const auto patches = octavo::make_patches(octavo::read_image(rest_of_line()), options);
  std::cout << fmt::format("{} {} {}\n", patches.columns, patches.rows, patches.values.size());
  write(patches.values);
}

void answer_video() {
  std::vector<octavo::VideoFrame> frames;
  octavo::visit_video(rest_of_line(), {},
                      [&](octavo::VideoFrame frame) { frames.push_back(std::move(frame)); });
  std::cout << frames.size() << '\n';
  for (const auto& [seconds, image] : frames) {
    std::cout << fmt::format("{} {} {} {} {}\n", octavo::video_time(seconds), seconds, image.width,
                             image.height, image.rgb.size());
    write(image.rgb);
  }
}

void answer(const std::string& request) {
  if (request == "pixels") return answer_pixels();
  if (request == "patches") return answer_patches();
  if (request == "video") return answer_video();
  std::cout << "error unknown request " << request << '\n';
}

}  // namespace

int main() {
  for (std::string request; std::cin >> request;) {
    try {
      answer(request);
    } catch (const octavo::Error& error) {
      std::cout << "error " << error.what() << '\n';
    }
    std::cout.flush();
  }
  return 0;
}
