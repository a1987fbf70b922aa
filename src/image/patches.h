// image: a picture as the patches that a vision tower takes.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "image/image.h"

namespace octavo {

/// Square patches of a resized picture, row by row: [rows * columns, size * size * 3], the channel
/// fastest. 8-bit values: the tower scales them.
struct ImagePatches {
  int64_t columns = 0, rows = 0, size = 0;
  std::vector<uint8_t> values;
};

/// How many soft tokens a picture may become.
inline constexpr std::array<int64_t, 5> kImageTokenBudgets = {70, 140, 280, 560, 1120};
bool is_image_token_budget(int64_t tokens);

/// The most that an image, or a frame of a video, may become where nobody says otherwise.
inline constexpr int64_t kDefaultImageTokens = 280, kDefaultVideoTokens = 70;

struct PatchOptions {
  int64_t max_soft_tokens = kDefaultImageTokens;  // one of kImageTokenBudgets
  int64_t patch_size = 16;                        // pixels along a side of a patch
  int64_t pooling = 3;                            // patches along a side of a soft token
};

struct ImageSize {
  int64_t height = 0, width = 0;
};

/// The size to which a picture of `size` pixels is brought, made larger if need be: its proportions
/// kept as far as both sides are whole soft tokens and these are at most max_soft_tokens. Throws
/// kBadRequest for a budget that is not allowed, or numbers below 1 or out of range.
ImageSize patched_size(ImageSize size, const PatchOptions& options);

/// The soft tokens that a picture of `size` pixels becomes.
int64_t soft_tokens(ImageSize size, const PatchOptions& options);

/// Resizes by that rule and cuts into patches.
ImagePatches make_patches(const Image& image, const PatchOptions& options);

/// SHA-256 of the numbers and values: equal for equal patches alone.
std::array<uint8_t, 32> content_hash(const ImagePatches& patches);

}  // namespace octavo
