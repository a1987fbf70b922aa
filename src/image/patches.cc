#include "image/patches.h"

#include <octavo_ffi.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/fail.h"
#include "image/resize.h"

namespace octavo {
namespace {

constexpr int64_t kChannels = 3;

void validate(ImageSize size, const PatchOptions& options) {
  if (!is_image_token_budget(options.max_soft_tokens)) {
    fail(ErrorCode::kBadRequest, "{} tokens for an image, expected 70, 140, 280, 560 or 1120",
         options.max_soft_tokens);
  }
  // Beyond any model; keeps the patches of a picture below a gigabyte.
  constexpr int64_t kLargestPatch = 64, kLargestPooling = 8;
  if (options.patch_size < 1 || options.patch_size > kLargestPatch || options.pooling < 1 ||
      options.pooling > kLargestPooling) {
    fail(ErrorCode::kBadRequest,
         "patches of {} pixels pooled by {}, expected 1 to {} pixels and 1 to {}",
         options.patch_size, options.pooling, kLargestPatch, kLargestPooling);
  }
  if (size.height < 1 || size.width < 1) {
    fail(ErrorCode::kBadRequest, "an image of {}x{} pixels, expected at least 1x1", size.width,
         size.height);
  }
}

}  // namespace

bool is_image_token_budget(int64_t tokens) {
  return std::ranges::find(kImageTokenBudgets, tokens) != kImageTokenBudgets.end();
}

ImageSize patched_size(ImageSize size, const PatchOptions& options) {
  validate(size, options);
  const int64_t tokens = options.max_soft_tokens;
  const int64_t side = options.patch_size * options.pooling;  // pixels along a soft token
  const uint64_t pixels = checked_mul(static_cast<uint64_t>(size.height),
                                      static_cast<uint64_t>(size.width), "pixels of an image");
  // In double, as the reference has it.
  const double scale =
      std::sqrt(static_cast<double>(tokens * side * side) / static_cast<double>(pixels));
  const auto rounded_down = [&](int64_t length) {
    const double ideal = scale * static_cast<double>(length);
    return static_cast<int64_t>(std::floor(ideal / static_cast<double>(side))) * side;
  };
  const ImageSize result{rounded_down(size.height), rounded_down(size.width)};
  // At most one of them is 0, as their product is about tokens * side^2.
  if (result.height == 0) return {side, std::min(size.width / size.height, tokens) * side};
  if (result.width == 0) return {std::min(size.height / size.width, tokens) * side, side};
  return result;
}

int64_t soft_tokens(ImageSize size, const PatchOptions& options) {
  const ImageSize patched = patched_size(size, options);
  const int64_t side = options.patch_size * options.pooling;
  return patched.height / side * (patched.width / side);
}

ImagePatches make_patches(const Image& image, const PatchOptions& options) {
  const ImageSize size = patched_size({image.height, image.width}, options);
  const Image resized = resize_bicubic(image, size.height, size.width);
  const int64_t patch = options.patch_size;
  ImagePatches result{size.width / patch, size.height / patch, patch, {}};
  result.values.resize(resized.rgb.size());
  const size_t line = static_cast<size_t>(patch * kChannels);  // one row of pixels of a patch
  uint8_t* out = result.values.data();
  for (int64_t row = 0; row < result.rows; ++row) {
    for (int64_t column = 0; column < result.columns; ++column) {
      for (int64_t y = row * patch; y < (row + 1) * patch; ++y) {
        const int64_t pixel = y * size.width + column * patch;
        std::memcpy(out, &resized.rgb[static_cast<size_t>(pixel * kChannels)], line);
        out += line;
      }
    }
  }
  return result;
}

std::array<uint8_t, 32> content_hash(const ImagePatches& patches) {
  std::vector<uint8_t> message;
  message.reserve(3 * sizeof(int64_t) + patches.values.size());
  for (const int64_t number : {patches.columns, patches.rows, patches.size}) {
    for (int byte = 0; byte < 8; ++byte) {
      message.push_back(static_cast<uint8_t>(number >> (8 * byte)));
    }
  }
  message.insert(message.end(), patches.values.begin(), patches.values.end());
  std::array<uint8_t, 32> digest;
  octavo_ffi_sha256(message.data(), message.size(), digest.data());
  return digest;
}

}  // namespace octavo
