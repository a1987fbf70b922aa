// Golden pictures, small files on disk, errors.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../temp_folder.h"
#include "image/image.h"
#include "octavo/error.h"

namespace octavo::testing {

inline std::filesystem::path goldens() {
  return std::filesystem::path(OCTAVO_TESTS_DIR) / "goldens/image";
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("no file " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// Names of the golden pictures.
inline std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(goldens() / "files")) {
    names.push_back(entry.path().filename());
  }
  return names;
}

/// The frames that Pillow read from a golden picture: PPM files, one behind the other.
inline std::vector<Image> golden_frames(const std::string& name) {
  const std::string text = read_file(goldens() / (name + ".ppm"));
  std::vector<Image> frames;
  for (size_t at = 0; at < text.size();) {
    Image image;
    int header = 0;
    if (std::sscanf(text.c_str() + at, "P6\n%ld %ld\n255%n", &image.width, &image.height,
                    &header) != 2) {
      throw std::runtime_error("no PPM file " + name);
    }
    const auto* pixels = reinterpret_cast<const uint8_t*>(text.data()) + at + header + 1;
    const size_t size = static_cast<size_t>(3 * image.width * image.height);
    image.rgb.assign(pixels, pixels + size);
    at += static_cast<size_t>(header) + 1 + size;
    frames.push_back(std::move(image));
  }
  return frames;
}

inline Image random_image(int64_t height, int64_t width, uint32_t seed) {
  std::mt19937 random(seed);
  Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(3 * height * width))};
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(random() >> 24);
  return image;
}

/// Largest difference of two pictures' values; they must have one size.
inline int largest_difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  EXPECT_EQ(a.rgb.size(), b.rgb.size());
  int largest = a.rgb.size() == b.rgb.size() ? 0 : 256;
  for (size_t i = 0; i < std::min(a.rgb.size(), b.rgb.size()); ++i) {
    largest = std::max(largest, std::abs(int{a.rgb[i]} - int{b.rgb[i]}));
  }
  return largest;
}

/// Runs `body`, which must throw octavo::Error of `code` with `part` in its one line.
inline void expect_error(ErrorCode code, const std::string& part,
                         const std::function<void()>& body) {
  try {
    body();
    ADD_FAILURE() << "no error with \"" << part << '"';
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_THAT(error.what(), ::testing::HasSubstr(part));
    EXPECT_THAT(error.what(), ::testing::Not(::testing::HasSubstr("\n")));
  }
}

}  // namespace octavo::testing
