#include "image/video.h"

#include "support.h"

namespace octavo {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using testing::expect_error;
using testing::golden_frames;
using testing::goldens;
using testing::read_file;

std::vector<VideoFrame> read_video(const std::filesystem::path& path,
                                   const VideoOptions& options = {}) {
  std::vector<VideoFrame> frames;
  visit_video(path, options, [&](VideoFrame frame) { frames.push_back(std::move(frame)); });
  return frames;
}

std::vector<double> times(const std::vector<VideoFrame>& frames) {
  std::vector<double> result;
  for (const VideoFrame& frame : frames) result.push_back(frame.seconds);
  return result;
}

TEST(Video, SamplesEvenly) {
  EXPECT_THAT(sampled_frames(3, 32), ElementsAre(0, 1, 2));
  EXPECT_THAT(sampled_frames(10, 4), ElementsAre(0, 2, 5, 7));
  EXPECT_THAT(sampled_frames(33, 1), ElementsAre(0));
  EXPECT_THAT(sampled_frames(0, 4), ElementsAre());
}

TEST(Video, WritesTimesAsMinutesAndSeconds) {
  EXPECT_EQ(video_time(0), "00:00");
  EXPECT_EQ(video_time(9.99), "00:09");
  EXPECT_EQ(video_time(61), "01:01");
  EXPECT_EQ(video_time(6000), "100:00");
}

TEST(Video, ReadsAnimations) {
  for (const char* name : {"animated.gif", "animated.webp"}) {
    SCOPED_TRACE(name);
    const auto frames = read_video(goldens() / "files" / name);
    const auto expected = golden_frames(name);
    ASSERT_EQ(frames.size(), 3u);
    ASSERT_EQ(expected.size(), 3u);
    EXPECT_THAT(times(frames), ElementsAre(0, DoubleEq(0.05), DoubleEq(0.17)));
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_LE(testing::largest_difference(frames[i].image, expected[i]), 1) << i;
    }
  }
}

TEST(Video, SkipsFramesThatAreNotSampled) {
  VideoOptions options;
  options.max_frames = 2;
  const auto frames = read_video(goldens() / "files/animated.gif", options);
  EXPECT_THAT(times(frames), ElementsAre(0, DoubleEq(0.05)));
  EXPECT_EQ(frames[1].image.rgb, golden_frames("animated.gif")[1].rgb);
}

TEST(Video, FramesWithoutATimeAreShownForATenthOfASecond) {
  std::string file = read_file(goldens() / "files/animated.gif");
  const std::string control = "\x21\xf9\x04";  // then flags, and hundredths in two bytes
  size_t count = 0;
  for (size_t at = file.find(control); at != file.npos; at = file.find(control, at + 1), ++count) {
    file[at + 4] = static_cast<char>(count % 2);
    file[at + 5] = 0;
  }
  ASSERT_EQ(count, 3u);
  std::vector<VideoFrame> frames;
  visit_animation(testing::bytes_of(file), "a.gif", {},
                  [&](VideoFrame frame) { frames.push_back(std::move(frame)); });
  EXPECT_THAT(times(frames), ElementsAre(0, DoubleEq(0.1), DoubleEq(0.2)));
}

TEST(Video, ReadsAFolderInNaturalOrder) {
  const TempFolder folder;
  const std::string colour = read_file(goldens() / "files/rgb.bmp");
  const std::string few = read_file(goldens() / "files/palette.bmp");
  folder.write("frame10.bmp", few);
  folder.write("frame9.BMP", colour);
  folder.write("frame010.bmp", colour);
  folder.write("frame1.bmp", colour);
  folder.write("notes.txt", "not a frame");
  folder.write(".hidden.png", "not a frame");
  VideoOptions options;
  options.frames_per_second = 4;
  const auto frames = read_video(folder.path(), options);
  EXPECT_THAT(times(frames), ElementsAre(0, 0.25, 0.5, 0.75));
  EXPECT_EQ(frames[3].image.rgb, golden_frames("palette.bmp").front().rgb);  // frame10
  EXPECT_EQ(frames[2].image.rgb, golden_frames("rgb.bmp").front().rgb);
}

TEST(Video, NamesTheFrameThatIsDamaged) {
  const TempFolder folder;
  folder.write("1.bmp", read_file(goldens() / "files/rgb.bmp"));
  const auto bad = folder.write("2.png", "no picture");
  expect_error(ErrorCode::kBadFile, bad.string() + ": not a picture",
               [&] { read_video(folder.path()); });
}

TEST(Video, RefusesWhatIsNoVideo) {
  const TempFolder folder;
  expect_error(ErrorCode::kBadFile, folder.path().string() + ": no pictures",
               [&] { read_video(folder.path()); });
  expect_error(ErrorCode::kBadFile, "not an animation",
               [] { read_video(goldens() / "files/rgb.png"); });
  expect_error(ErrorCode::kBadFile, "not an animation",
               [] { read_video(goldens() / "files/lossless.webp"); });
  expect_error(ErrorCode::kIo, "/nonexistent", [] { read_video("/nonexistent"); });
}

TEST(Video, RefusesOptionsThatMeanNothing) {
  const auto path = goldens() / "files/animated.gif";
  VideoOptions options;
  options.max_frames = 0;
  expect_error(ErrorCode::kBadRequest, "0 frames", [&] { read_video(path, options); });
  for (const double rate : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN(),
                            std::numeric_limits<double>::infinity()}) {
    options = {};
    options.frames_per_second = rate;
    expect_error(ErrorCode::kBadRequest, "frames per second", [&] { read_video(path, options); });
  }
}

TEST(Video, HasLimits) {
  const auto path = goldens() / "files/animated.gif";
  VideoOptions options;
  options.limits.max_work = 1000;
  expect_error(ErrorCode::kBadFile, "GIF: 3 frames in 23x17 pixels take ",
               [&] { read_video(path, options); });
  options.limits = {};
  options.limits.max_frame_pixels = 17 * 23;
  EXPECT_EQ(read_video(path, options).size(), 3u);
  options.limits.max_frame_pixels -= 1;
  expect_error(ErrorCode::kBadFile, "frames of 23x17 pixels, expected at most 390",
               [&] { read_video(path, options); });
  options.limits = {};
  options.limits.max_milliseconds = 0;
  expect_error(ErrorCode::kBadFile, "frame 0 is not reached within 0 seconds",
               [&] { read_video(path, options); });
}

}  // namespace
}  // namespace octavo
