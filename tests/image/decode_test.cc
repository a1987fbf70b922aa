#include "image/decode.h"

#include <chrono>

#include "support.h"

namespace octavo {
namespace {

using testing::bytes_of;
using testing::expect_error;
using testing::golden_frames;
using testing::golden_names;
using testing::goldens;
using testing::read_file;

bool is_jpeg(const std::string& name) {
  return name.ends_with(".jpg");
}

TEST(Decode, GoldenPicturesGivePillowsPixels) {
  ASSERT_EQ(golden_names().size(), 17u);
  for (const std::string& name : golden_names()) {
    SCOPED_TRACE(name);
    const Image image = read_image(goldens() / "files" / name);
    const int difference = testing::largest_difference(image, golden_frames(name).front());
    // JPEG decoders may differ in the inverse transform and in the upsampling of chroma.
    EXPECT_LE(difference, is_jpeg(name) ? 4 : 0);
  }
}

TEST(Decode, FormatIsToldByContent) {
  const TempFolder folder;
  const auto path = folder.write("picture.txt", read_file(goldens() / "files/rgb.png"));
  EXPECT_EQ(read_image(path).rgb, golden_frames("rgb.png").front().rgb);
}

TEST(Decode, RefusesEveryFileThatIsCutShort) {
  for (const std::string& name : golden_names()) {
    SCOPED_TRACE(name);
    const std::string whole = read_file(goldens() / "files" / name);
    for (size_t size = 0; size < whole.size(); ++size) {
      SCOPED_TRACE(size);
      expect_error(ErrorCode::kBadFile, "cut.picture: ", [&] {
        decode_image(bytes_of(whole).first(size), "cut.picture");
      });
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(Decode, AcceptsWhatLiesBehindThePicture) {
  for (const std::string& name : golden_names()) {
    SCOPED_TRACE(name);
    const std::string longer = read_file(goldens() / "files" / name) + "something else \xff\xd8";
    EXPECT_EQ(decode_image(bytes_of(longer), name).rgb, read_image(goldens() / "files" / name).rgb);
  }
}

TEST(Decode, SurvivesEveryChangedByte) {
  ImageLimits limits;
  limits.max_pixels = 1 << 20;
  int refused = 0;
  for (const std::string& name : golden_names()) {
    std::string changed = read_file(goldens() / "files" / name);
    for (char& byte : changed) {
      for (const int change : {0x01, 0x80, 0xff}) {
        byte = static_cast<char>(byte ^ change);
        try {
          const Image image = decode_image(bytes_of(changed), name, limits);
          ASSERT_EQ(image.rgb.size(), static_cast<size_t>(3 * image.width * image.height));
        } catch (const Error& error) {
          ASSERT_EQ(error.code(), ErrorCode::kBadFile);
          ++refused;
        }
        byte = static_cast<char>(byte ^ change);
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Decode, RefusesWhatIsNoPicture) {
  expect_error(ErrorCode::kBadFile, "data: empty", [] { decode_image({}, "data"); });
  for (const std::string_view text : {"x", "hello, world", "<html></html>", "II*\x01 a TIFF file",
                                      "\x89PNG", "GIF90a......", "RIFF....WAVE"}) {
    expect_error(ErrorCode::kBadFile, "expected PNG, JPEG, WebP, GIF or BMP",
                 [&] { decode_image(bytes_of(text), "data"); });
  }
}

TEST(Decode, NamesAFileThatIsNotThere) {
  expect_error(ErrorCode::kIo, "/nonexistent/photo.png",
               [] { read_image("/nonexistent/photo.png"); });
  const TempFolder folder;
  expect_error(ErrorCode::kBadFile, folder.path().string(), [&] { read_image(folder.path()); });
  expect_error(ErrorCode::kBadFile, "none.png: empty",
               [&] { read_image(folder.write("none.png", "")); });
}

TEST(Decode, ComparesSizesWithTheLimitsFirst) {
  for (const std::string& name : golden_names()) {
    SCOPED_TRACE(name);
    const std::string file = read_file(goldens() / "files" / name);
    ImageLimits limits;
    limits.max_pixels = 17 * 23;
    EXPECT_NO_THROW(decode_image(bytes_of(file), name, limits));
    limits.max_pixels -= 1;
    expect_error(ErrorCode::kBadFile, "pixels, expected at most 390 in all",
                 [&] { decode_image(bytes_of(file), name, limits); });
    limits = {};
    limits.max_bytes = file.size() - 1;
    expect_error(ErrorCode::kBadFile, "bytes, expected at most",
                 [&] { decode_image(bytes_of(file), name, limits); });
  }
}

TEST(Decode, CountsTheFramesOfAnAnimation) {
  for (const char* name : {"animated.gif", "animated.webp"}) {
    ImageLimits limits;
    limits.max_frames = 2;
    expect_error(ErrorCode::kBadFile, "more than 2 frames",
                 [&] { read_image(goldens() / "files" / name, limits); });
  }
}

/// A PNG file that ends behind its header.
std::string png_header(uint32_t width, uint32_t height) {
  std::string file = "\x89PNG\r\n\x1a\n";
  file += std::string("\0\0\0\x0dIHDR", 8);
  for (const uint32_t number : {width, height}) {
    for (int shift = 24; shift >= 0; shift -= 8) file += static_cast<char>(number >> shift);
  }
  return file + std::string("\x08\x02\0\0\0crc.", 9);
}

TEST(Decode, RefusesEnormousHeadersAtOnce) {
  const auto begin = std::chrono::steady_clock::now();
  for (const uint32_t side : {7072u, 65535u, 0x7fffffffu, 0xffffffffu}) {
    expect_error(ErrorCode::kBadFile, "expected at most 50000000",
                 [&] { decode_image(bytes_of(png_header(side, side)), "bomb.png"); });
  }
  expect_error(ErrorCode::kBadFile, "0x9 pixels, expected at least 1x1",
               [] { decode_image(bytes_of(png_header(0, 9)), "bomb.png"); });
  expect_error(ErrorCode::kBadFile, "truncated",
               [] { decode_image(bytes_of(png_header(7071, 7071)), "bomb.png"); });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
}

}  // namespace
}  // namespace octavo
