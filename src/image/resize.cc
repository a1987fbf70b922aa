#include "image/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>

#include "base/fail.h"

namespace octavo {
namespace {

/// Weights are integers times 2^-22, so a sum of products with 8-bit values is exact in a double
/// and does not depend on its order. Doubles are multiplied faster than 32-bit integers where
/// nothing but SSE2 may be assumed.
constexpr double kOne = 1 << 22;

constexpr int64_t kChannels = 3;

/// The cubic convolution kernel with a = -1/2.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

int64_t truncated(double value) {
  return static_cast<int64_t>(std::trunc(value));
}

/// What one output value is made from: inputs [first, end()).
struct Taps {
  int64_t first;
  std::vector<double> weights;

  int64_t end() const { return first + std::ssize(weights); }
};

/// Operations and their order are Pillow's, so that every weight rounds as it does there.
Taps taps_of(int64_t output, int64_t inputs, int64_t outputs) {
  const double ratio = static_cast<double>(inputs) / static_cast<double>(outputs);
  const double shrink = std::max(ratio, 1.0);
  const double support = 2 * shrink, scale = 1 / shrink;
  const double center = (static_cast<double>(output) + 0.5) * ratio;
  Taps taps{std::max<int64_t>(truncated(center - support + 0.5), 0), {}};
  const int64_t end = std::min(truncated(center + support + 0.5), inputs);
  taps.weights.reserve(static_cast<size_t>(end - taps.first));
  double sum = 0;
  for (int64_t j = taps.first; j < end; ++j) {
    taps.weights.push_back(cubic((static_cast<double>(j) - center + 0.5) * scale));
    sum += taps.weights.back();
  }
  for (double& weight : taps.weights) {
    weight /= sum;
    weight = std::trunc(weight * kOne + (weight < 0 ? -0.5 : 0.5));
  }
  return taps;
}

uint8_t to_level(double sum) {
  return static_cast<uint8_t>(std::clamp((sum + kOne / 2) / kOne, 0.0, 255.0));
}

/// Resamples kRows rows at once: they lie side by side in a window over the inputs of a group of
/// outputs, so that one weight meets a vector of values. Strides are values from row to row.
template <int kRows>
class RowResampler {
 public:
  explicit RowResampler(std::span<const Taps> group) : group_(group) {}

  /// `in` is the row's beginning, `out` the group's.
  void operator()(const uint8_t* in, int64_t in_stride, uint8_t* out, int64_t out_stride) {
    fill_window(in + group_.front().first * kChannels, in_stride);
    for (const Taps& taps : group_) {
      resample(taps, out, out_stride);
      out += kChannels;
    }
  }

 private:
  using Column = std::array<double, kRows>;

  void fill_window(const uint8_t* in, int64_t stride) {
    window_.resize(static_cast<size_t>((group_.back().end() - group_.front().first) * kChannels));
    for (int row = 0; row < kRows; ++row, in += stride) {
      for (size_t i = 0; i < window_.size(); ++i) window_[i][row] = in[i];
    }
  }

  void resample(const Taps& taps, uint8_t* out, int64_t stride) const {
    std::array<Column, kChannels> sums{};
    const Column* values = window_.data() + (taps.first - group_.front().first) * kChannels;
    for (const double weight : taps.weights) {
      for (Column& sum : sums) {
        const Column& value = *values++;
        for (int row = 0; row < kRows; ++row) sum[row] += weight * value[row];
      }
    }
    for (int row = 0; row < kRows; ++row, out += stride) {
      for (int64_t c = 0; c < kChannels; ++c) out[c] = to_level(sums[c][row]);
    }
  }

  std::span<const Taps> group_;
  std::vector<Column> window_;
};

constexpr int kRowBlock = 8;

/// As many outputs from `begin` on as keep the window in the L1 cache, at least one.
std::vector<Taps> group_of_taps(int64_t begin, int64_t inputs, int64_t outputs) {
  constexpr int64_t kWindowInputs = 24 * 1024 / (kChannels * kRowBlock * sizeof(double));
  std::vector<Taps> group;
  for (int64_t i = begin; i < outputs; ++i) {
    Taps taps = taps_of(i, inputs, outputs);
    if (!group.empty() && taps.end() - group.front().first > kWindowInputs) break;
    group.push_back(std::move(taps));
  }
  return group;
}

/// Goes down the picture for one group of outputs after the other: the weights of all of them can
/// be larger than a long picture.
Image resize_width(const Image& image, int64_t width) {
  Image result{width, image.height, {}};
  result.rgb.resize(static_cast<size_t>(width * image.height * kChannels));
  const int64_t in_stride = image.width * kChannels, out_stride = width * kChannels;
  for (int64_t begin = 0; begin < width;) {
    const std::vector<Taps> group = group_of_taps(begin, image.width, width);
    RowResampler<kRowBlock> block(group);
    RowResampler<1> single(group);
    const uint8_t* in = image.rgb.data();
    uint8_t* out = result.rgb.data() + begin * kChannels;
    for (int64_t y = 0; y < image.height;) {
      const bool whole = y + kRowBlock <= image.height;
      whole ? block(in, in_stride, out, out_stride) : single(in, in_stride, out, out_stride);
      const int64_t rows = whole ? kRowBlock : 1;
      in += rows * in_stride;
      out += rows * out_stride;
      y += rows;
    }
    begin += std::ssize(group);
  }
  return result;
}

/// Adds up rows in pieces that stay in the L1 cache.
Image resize_height(const Image& image, int64_t height) {
  constexpr int64_t kPiece = 1024;
  const int64_t row_size = image.width * kChannels;
  Image result{image.width, height, {}};
  result.rgb.resize(static_cast<size_t>(row_size * height));
  std::array<double, kPiece> sums;
  for (int64_t y = 0; y < height; ++y) {
    const Taps taps = taps_of(y, image.height, height);
    for (int64_t begin = 0; begin < row_size; begin += kPiece) {
      const int64_t count = std::min(kPiece, row_size - begin);
      const uint8_t* in = &image.rgb[static_cast<size_t>(taps.first * row_size + begin)];
      sums.fill(0);
      for (const double weight : taps.weights) {
        for (int64_t i = 0; i < count; ++i) sums[i] += weight * in[i];
        in += row_size;
      }
      uint8_t* out = &result.rgb[static_cast<size_t>(y * row_size + begin)];
      for (int64_t i = 0; i < count; ++i) out[i] = to_level(sums[i]);
    }
  }
  return result;
}

}  // namespace

Image resize_bicubic(const Image& image, int64_t height, int64_t width) {
  if (image.height < 1 || image.width < 1 || height < 1 || width < 1 ||
      image.rgb.size() != static_cast<size_t>(image.height * image.width * kChannels)) {
    fail(ErrorCode::kBadRequest,
         "cannot resize {}x{} pixels in {} bytes to {}x{}, expected sizes from 1 and 3 bytes each",
         image.width, image.height, image.rgb.size(), width, height);
  }
  // Pillow's choice: first the pass that takes away most, a row counting twice a column.
  const bool height_first =
      height < image.height && 2 * (image.width - width) < image.height - height;
  Image result;
  const Image* latest = &image;
  const auto resize = [&](auto pass, int64_t length) {
    result = pass(*latest, length);
    latest = &result;
  };
  if (height_first) resize(resize_height, height);
  if (latest->width != width) resize(resize_width, width);
  if (latest->height != height) resize(resize_height, height);
  if (latest == &image) return image;
  return result;
}

}  // namespace octavo
