#include "image/patches.h"

#include <fmt/format.h>

#include "support.h"

namespace octavo {
namespace {

using testing::expect_error;
using testing::random_image;

PatchOptions budget(int64_t tokens) {
  PatchOptions options;
  options.max_soft_tokens = tokens;
  return options;
}

struct SizeCase {
  int64_t budget, height, width, new_height, new_width, tokens;
};

class PatchedSize : public ::testing::TestWithParam<SizeCase> {};

TEST_P(PatchedSize, IsTheReferences) {
  const SizeCase& c = GetParam();
  const ImageSize size = patched_size({c.height, c.width}, budget(c.budget));
  EXPECT_EQ(size.height, c.new_height);
  EXPECT_EQ(size.width, c.new_width);
  EXPECT_EQ(size.height * size.width / (48 * 48), c.tokens);
}

// Found with transformers 5.24.0.
INSTANTIATE_TEST_SUITE_P(
    Goldens, PatchedSize,
    ::testing::Values(
        SizeCase{280, 224, 224, 768, 768, 256}, SizeCase{280, 768, 768, 768, 768, 256},
        SizeCase{280, 1024, 1024, 768, 768, 256}, SizeCase{280, 1, 1, 768, 768, 256},
        SizeCase{280, 480, 640, 672, 912, 266}, SizeCase{280, 3024, 4032, 672, 912, 266},
        SizeCase{280, 640, 480, 912, 672, 266}, SizeCase{280, 2339, 1654, 912, 672, 266},
        SizeCase{280, 1080, 1920, 576, 1056, 264}, SizeCase{280, 720, 1280, 576, 1056, 264},
        SizeCase{280, 1200, 628, 1104, 576, 276}, SizeCase{280, 100, 2000, 144, 3552, 222},
        SizeCase{280, 10, 4000, 48, 13440, 280}, SizeCase{280, 3, 900, 48, 13440, 280},
        SizeCase{280, 1, 500, 48, 13440, 280}, SizeCase{280, 500, 1, 13440, 48, 280},
        SizeCase{70, 224, 224, 384, 384, 64}, SizeCase{70, 480, 640, 336, 432, 63},
        SizeCase{70, 1080, 1920, 288, 528, 66}, SizeCase{1120, 224, 224, 1584, 1584, 1089},
        SizeCase{1120, 1080, 1920, 1200, 2112, 1100}));

TEST(PatchedSizeRule, StaysWithinEveryBudget) {
  for (const int64_t tokens : kImageTokenBudgets) {
    for (int64_t height = 1; height < 3000; height = height * 5 / 4 + 1) {
      for (int64_t width = 1; width < 3000; width = width * 4 / 3 + 1) {
        const ImageSize size = patched_size({height, width}, budget(tokens));
        ASSERT_TRUE(size.height >= 48 && size.width >= 48) << height << 'x' << width;
        ASSERT_TRUE(size.height % 48 == 0 && size.width % 48 == 0) << height << 'x' << width;
        ASSERT_LE(size.height * size.width, tokens * 48 * 48) << height << 'x' << width;
      }
    }
  }
}

TEST(PatchedSizeRule, FollowsPatchSizeAndPooling) {
  PatchOptions options;
  options.patch_size = 14;
  options.pooling = 2;
  const ImageSize size = patched_size({100, 200}, options);
  EXPECT_EQ(size.height, 308);
  EXPECT_EQ(size.width, 644);
}

TEST(PatchedSizeRule, RefusesWhatItCannotDo) {
  for (const int64_t tokens : {-280, 0, 1, 71, 281, 1121}) {
    expect_error(ErrorCode::kBadRequest,
                 fmt::format("{} tokens for an image, expected 70, 140, 280, 560 or 1120", tokens),
                 [&] { patched_size({10, 10}, budget(tokens)); });
  }
  expect_error(ErrorCode::kBadRequest, "0x5 pixels", [] { patched_size({5, 0}, {}); });
  expect_error(ErrorCode::kBadFile, "overflows", [] { patched_size({INT64_MAX, INT64_MAX}, {}); });
  for (const auto& [patch, pooling] : {std::pair{0, 3}, {16, 0}, {-16, 3}, {65, 3}, {16, 9}}) {
    PatchOptions options;
    options.patch_size = patch;
    options.pooling = pooling;
    expect_error(ErrorCode::kBadRequest, "patches of", [&] { patched_size({5, 5}, options); });
  }
}

TEST(Patches, LieRowByRowWithTheChannelFastest) {
  const Image image = random_image(336, 432, 5);  // keeps its size at 70 tokens
  const ImagePatches patches = make_patches(image, budget(70));
  ASSERT_EQ(patches.columns, 27);
  ASSERT_EQ(patches.rows, 21);
  ASSERT_EQ(patches.size, 16);
  ASSERT_EQ(patches.values.size(), image.rgb.size());
  for (int64_t y = 0; y < 336; ++y) {
    for (int64_t x = 0; x < 432; ++x) {
      const int64_t patch = y / 16 * 27 + x / 16;
      const int64_t inside = y % 16 * 16 + x % 16;
      for (int64_t c = 0; c < 3; ++c) {
        ASSERT_EQ(patches.values[static_cast<size_t>((patch * 256 + inside) * 3 + c)],
                  image.rgb[static_cast<size_t>((y * 432 + x) * 3 + c)]);
      }
    }
  }
}

std::string hex(const std::array<uint8_t, 32>& digest) {
  std::string text;
  for (const uint8_t byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

TEST(ContentHash, IsSha256OfNumbersAndValues) {
  // printf '\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0abcdef' | sha256sum
  const ImagePatches patches{2, 1, 1, {'a', 'b', 'c', 'd', 'e', 'f'}};
  EXPECT_EQ(hex(content_hash(patches)),
            "6c1370190ff3eaafb6d50b18dd951865ad757ee3df9674f76c7f733ce07d6941");
}

TEST(ContentHash, TellsShapesAndValuesApart) {
  const ImagePatches patches{2, 1, 1, {1, 2, 3, 4, 5, 6}};
  ImagePatches turned = patches, changed = patches;
  std::swap(turned.columns, turned.rows);
  changed.values[5] = 7;
  EXPECT_EQ(content_hash(patches), content_hash(ImagePatches(patches)));
  EXPECT_NE(content_hash(patches), content_hash(turned));
  EXPECT_NE(content_hash(patches), content_hash(changed));
}

}  // namespace
}  // namespace octavo
