#include "image/resize.h"

#include <cmath>

#include "support.h"

namespace octavo {
namespace {

using testing::expect_error;
using testing::random_image;

double cubic(double x) {
  x = std::abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * -0.5;
  return 0;
}

/// One output value of a pass over `inputs` values, in integers of 22 bits behind the point.
template <typename Value>
uint8_t resampled(int64_t inputs, int64_t outputs, int64_t output, const Value& value) {
  const double ratio = static_cast<double>(inputs) / static_cast<double>(outputs);
  const double shrink = std::max(ratio, 1.0), scale = 1 / shrink;
  const double center = (static_cast<double>(output) + 0.5) * ratio;
  const auto first = std::max<int64_t>(static_cast<int64_t>(center - 2 * shrink + 0.5), 0);
  const auto end = std::min<int64_t>(static_cast<int64_t>(center + 2 * shrink + 0.5), inputs);
  double total = 0;
  for (int64_t j = first; j < end; ++j) {
    total += cubic((static_cast<double>(j) - center + 0.5) * scale);
  }
  int64_t sum = 1 << 21;
  for (int64_t j = first; j < end; ++j) {
    const double weight = cubic((static_cast<double>(j) - center + 0.5) * scale) / total;
    sum += std::llround(weight * (1 << 22)) * value(j);
  }
  return static_cast<uint8_t>(std::clamp<int64_t>(sum >> 22, 0, 255));
}

Image reference_width(const Image& image, int64_t width) {
  Image result{width, image.height, {}};
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        result.rgb.push_back(resampled(image.width, width, x, [&](int64_t j) {
          return image.rgb[static_cast<size_t>((y * image.width + j) * 3 + c)];
        }));
      }
    }
  }
  return result;
}

Image reference_height(const Image& image, int64_t height) {
  Image result{image.width, height, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t i = 0; i < image.width * 3; ++i) {
      result.rgb.push_back(resampled(image.height, height, y, [&](int64_t j) {
        return image.rgb[static_cast<size_t>(j * image.width * 3 + i)];
      }));
    }
  }
  return result;
}

struct Case {
  int64_t height, width, new_height, new_width;
  bool height_first;
};

TEST(Resize, EqualsTheIntegerArithmetic) {
  const Case cases[] = {
      {1, 1, 48, 48, false},    {37, 53, 48, 96, false},    {53, 37, 17, 11, false},
      {8, 300, 16, 24, false},  {300, 8, 24, 16, true},     {100, 20, 48, 96, true},
      {64, 200, 64, 31, false}, {200, 64, 31, 64, true},    {9, 1500, 3, 7, false},
      {1500, 9, 700, 60, true}, {40, 40, 20, 31, true},     {40, 40, 20, 30, false},
      {17, 1000, 48, 9, false}, {97, 101, 192, 240, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(::testing::Message()
                 << c.width << 'x' << c.height << " to " << c.new_width << 'x' << c.new_height);
    const Image image = random_image(c.height, c.width, 7);
    const Image expected =
        c.height_first ? reference_width(reference_height(image, c.new_height), c.new_width)
                       : reference_height(reference_width(image, c.new_width), c.new_height);
    EXPECT_EQ(
        testing::largest_difference(resize_bicubic(image, c.new_height, c.new_width), expected), 0);
  }
}

TEST(Resize, KeepsAPictureOfThatSize) {
  const Image image = random_image(31, 47, 1);
  EXPECT_EQ(resize_bicubic(image, 31, 47).rgb, image.rgb);
}

TEST(Resize, KeepsOneColour) {
  const Image image{90, 70, std::vector<uint8_t>(70 * 90 * 3, 201)};
  for (const auto& [height, width] : {std::pair{7, 400}, {300, 11}, {140, 45}}) {
    EXPECT_THAT(resize_bicubic(image, height, width).rgb, ::testing::Each(201));
  }
}

TEST(Resize, RefusesSizesThatAreNone) {
  const Image image = random_image(4, 4, 1);
  for (const auto& [height, width] : {std::pair{0, 5}, {5, 0}, {-1, 5}}) {
    expect_error(ErrorCode::kBadRequest, "expected sizes from 1",
                 [&] { resize_bicubic(image, height, width); });
  }
  expect_error(ErrorCode::kBadRequest, "0x0 pixels", [] { resize_bicubic({}, 5, 5); });
  expect_error(ErrorCode::kBadRequest, "in 3 bytes",
               [] { resize_bicubic({2, 2, {1, 2, 3}}, 5, 5); });
}

}  // namespace
}  // namespace octavo
