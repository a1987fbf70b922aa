// Pictures and videos from files, bytes, URLs and pixels.
#include "octavo/content.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "../temp_folder.h"
#include "image/data_url.h"
#include "image/image.h"
#include "octavo/error.h"

namespace octavo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// 3 x 2 pixels, the first blue, the others red.
constexpr const char* kPng =
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAF0lEQVR42mNgYPj/n4HhPwMD438GKAAANucD/"
    "gPVEwQAAAAASUVORK5CYII=";
// 2 x 2 pixels, black for half a second, red for one and a half, green for half a second.
constexpr const char* kGif =
    "data:image/gif;base64,"
    "R0lGODlhAgACAIEAAAAAAAAAAAAAAAAAACH/C05FVFNDQVBFMi4wAwEAAAAh+QQEMgAAACwAAAAAAgACAAAIBgABCAQQ"
    "EAAh+QQFlgABACwAAAAAAgACAIH/AAAAAAAAAAAAAAAIBgABCAQQEAAh+QQFMgABACwAAAAAAgACAIEA/"
    "wAAAAAAAAAAAAAIBgABCAQQEAA7";

class ContentTest : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, std::span<const std::byte> bytes) {
    return folder_.write(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }

  static std::string refusal(ErrorCode code, const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    return "no error";
  }

  TempFolder folder_;
};

std::vector<uint8_t> first_pixel(const ImageInput& image) {
  return {image.pixels().rgb.begin(), image.pixels().rgb.begin() + 3};
}

TEST_F(ContentTest, APictureComesFromAFileBytesOrAUrl) {
  const std::vector<std::byte> png = parse_data_url(kPng);
  for (const ImageInput& image : {ImageInput::from_file(write("a.png", png)),
                                  ImageInput::from_bytes(png), ImageInput::from_data_url(kPng)}) {
    EXPECT_EQ(image.width(), 3);
    EXPECT_EQ(image.height(), 2);
    EXPECT_THAT(first_pixel(image), ElementsAre(0, 0, 255));
  }
}

TEST_F(ContentTest, AnAnimationIsAPictureOrAVideo) {
  const auto file = write("a.gif", parse_data_url(kGif));
  EXPECT_THAT(first_pixel(ImageInput::from_file(file)), ElementsAre(0, 0, 0));
  const VideoInput video = VideoInput::from_path(file);
  ASSERT_EQ(video.frames().size(), 3u);
  EXPECT_EQ(video.frames()[1].seconds, 0.5);
  EXPECT_EQ(video.frames()[2].seconds, 2.0);
  EXPECT_THAT(first_pixel(video.frames()[2].image), ElementsAre(0, 255, 0));
}

TEST_F(ContentTest, AFolderIsAVideo) {
  const std::vector<std::byte> png = parse_data_url(kPng), gif = parse_data_url(kGif);
  write("frames/10.png", png), write("frames/2.gif", gif), write("frames/1.png", png);
  const VideoInput video = VideoInput::from_path(folder_ / "frames", 2);
  ASSERT_EQ(video.frames().size(), 3u);
  EXPECT_EQ(video.frames()[1].image.width(), 2);
  EXPECT_EQ(video.frames()[2].seconds, 1.0);
}

TEST_F(ContentTest, ErrorsNameTheirSource) {
  std::vector<std::byte> cut = parse_data_url(kPng);
  cut.resize(cut.size() - 20);
  EXPECT_THAT(refusal(ErrorCode::kBadFile, [&] { ImageInput::from_file(write("cut.png", cut)); }),
              HasSubstr("cut.png"));
  EXPECT_THAT(refusal(ErrorCode::kBadFile, [&] { ImageInput::from_bytes(cut, "upload 7"); }),
              HasSubstr("upload 7"));
  EXPECT_THAT(refusal(ErrorCode::kIo, [&] { ImageInput::from_file(folder_ / "none.png"); }),
              HasSubstr("none.png"));
  EXPECT_THAT(refusal(ErrorCode::kBadRequest, [] { ImageInput::from_data_url("http://a/b.png"); }),
              HasSubstr("data"));
  write("frames/1.png", cut);
  EXPECT_THAT(refusal(ErrorCode::kBadFile, [&] { VideoInput::from_path(folder_ / "frames"); }),
              HasSubstr("1.png"));
}

TEST_F(ContentTest, RawPixelsAreChecked) {
  const ImageInput image = ImageInput::from_rgb(1, 2, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(image.width(), 1);
  EXPECT_EQ(image.height(), 2);
  EXPECT_THAT(first_pixel(image), ElementsAre(1, 2, 3));
  const auto refused = [](int64_t width, int64_t height, size_t bytes) {
    return refusal(ErrorCode::kBadRequest,
                   [&] { ImageInput::from_rgb(width, height, std::vector<uint8_t>(bytes)); });
  };
  EXPECT_THAT(refused(0, 2, 0), HasSubstr("0 x 2"));
  EXPECT_THAT(refused(-1, -1, 3), HasSubstr("-1 x -1"));
  EXPECT_THAT(refused(2, 2, 11), HasSubstr("11 bytes"));
  EXPECT_THAT(refused(int64_t{1} << 40, 1, 3), HasSubstr("expected 1 to"));
}

TEST_F(ContentTest, VideosAreSampledEvenly) {
  std::vector<FrameInput> frames;
  const ImageInput pixel = ImageInput::from_rgb(1, 1, {0, 0, 0});
  for (int i = 0; i < 100; ++i) frames.push_back({pixel, i * 0.5});
  const VideoInput video = VideoInput::from_frames(frames);
  ASSERT_EQ(video.frames().size(), 32u);
  EXPECT_EQ(video.frames()[0].seconds, 0);
  EXPECT_EQ(video.frames()[1].seconds, 1.5);    // frame 3 = floor(100 / 32)
  EXPECT_EQ(video.frames()[31].seconds, 48.0);  // frame 96 = floor(31 * 100 / 32)
  frames.erase(frames.begin() + 32, frames.end());
  EXPECT_EQ(VideoInput::from_frames(frames).frames().size(), 32u);
}

TEST_F(ContentTest, FramesNeedTimes) {
  const ImageInput pixel = ImageInput::from_rgb(1, 1, {0, 0, 0});
  EXPECT_THAT(refusal(ErrorCode::kBadRequest, [] { VideoInput::from_frames({}); }),
              HasSubstr("no frames"));
  for (const double seconds : {-1.0, 1e9, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THAT(refusal(ErrorCode::kBadRequest,
                        [&] { VideoInput::from_frames({{pixel, 0}, {pixel, seconds}}); }),
                HasSubstr("frame 1"));
  }
}

}  // namespace
}  // namespace octavo
