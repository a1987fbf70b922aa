#pragma once
#include <array>
#include <filesystem>
#include <span>
#include <string>
#include "image/patches.h"
namespace octavo {
struct PatchOptions { int64_t patch_size = 16, pooling = 3, max_soft_tokens = 280; };
ImagePatches make_patches(const Image&, const PatchOptions&);
std::array<uint8_t, 32> content_hash(const ImagePatches&);
Image read_image(const std::filesystem::path&);
Image decode_image(std::span<const std::byte>, const std::string& name);
std::vector<std::byte> parse_data_url(std::string_view);
struct TimedImage { Image image; double seconds; };
std::vector<TimedImage> read_video(const std::filesystem::path&);
}
