#include "image/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

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

/// What one output value is made from: inputs [first, first + weights.size()).
struct Taps {
  int64_t first;
  std::span<const double> weights;
};

class Filter {
 public:
  /// Operations and their order are Pillow's, so that every weight rounds as it does there.
  Filter(int64_t inputs, int64_t outputs) {
    const double ratio = static_cast<double>(inputs) / static_cast<double>(outputs);
    const double shrink = std::max(ratio, 1.0);
    const double support = 2 * shrink;
    for (int64_t i = 0; i < outputs; ++i) {
      const double center = (static_cast<double>(i) + 0.5) * ratio;
      const int64_t first = std::max<int64_t>(truncated(center - support + 0.5), 0);
      const int64_t end = std::min(truncated(center + support + 0.5), inputs);
      append(first, end, center, 1 / shrink);
    }
    begins_.push_back(weights_.size());
  }

  Taps operator[](int64_t output) const {
    const size_t i = static_cast<size_t>(output);
    return {firsts_[i], {&weights_[begins_[i]], begins_[i + 1] - begins_[i]}};
  }

 private:
  void append(int64_t first, int64_t end, double center, double scale) {
    firsts_.push_back(first);
    begins_.push_back(weights_.size());
    double sum = 0;
    for (int64_t j = first; j < end; ++j) {
      weights_.push_back(cubic((static_cast<double>(j) - center + 0.5) * scale));
      sum += weights_.back();
    }
    for (double& weight : std::span(weights_).subspan(begins_.back())) {
      if (sum != 0) weight /= sum;
      weight = std::trunc(weight * kOne + (weight < 0 ? -0.5 : 0.5));
    }
  }

  std::vector<int64_t> firsts_;
  std::vector<size_t> begins_;
  std::vector<double> weights_;
};

uint8_t to_level(double sum) {
  return static_cast<uint8_t>(std::clamp((sum + kOne / 2) / kOne, 0.0, 255.0));
}

/// Resamples kRows rows at once: they lie side by side in a window over the inputs, so that one
/// weight meets a vector of values. The window covers as many outputs as keep it in the L1 cache.
template <int kRows>
class RowResampler {
 public:
  RowResampler(const Filter& filter, int64_t inputs, int64_t outputs)
      : filter_(filter), inputs_(inputs), outputs_(outputs) {}

  void operator()(const uint8_t* in, uint8_t* out) {
    for (int64_t begin = 0; begin < outputs_;) {
      const int64_t end = group_end(begin);
      fill_window(in, filter_[begin].first, last_input(end - 1));
      for (int64_t i = begin; i < end; ++i) {
        resample(filter_[i], filter_[begin].first, out + i * kChannels);
      }
      begin = end;
    }
  }

 private:
  using Column = std::array<double, kRows>;
  static constexpr int64_t kWindowInputs = 24 * 1024 / (kChannels * sizeof(Column));

  int64_t last_input(int64_t output) const {
    const Taps taps = filter_[output];
    return taps.first + static_cast<int64_t>(taps.weights.size());
  }

  int64_t group_end(int64_t begin) const {
    const int64_t limit = filter_[begin].first + kWindowInputs;
    int64_t end = begin + 1;
    while (end < outputs_ && last_input(end) <= limit) ++end;
    return end;
  }

  void fill_window(const uint8_t* in, int64_t first, int64_t end) {
    window_.resize(static_cast<size_t>((end - first) * kChannels));
    for (int row = 0; row < kRows; ++row) {
      const uint8_t* values = in + (row * inputs_ + first) * kChannels;
      for (size_t i = 0; i < window_.size(); ++i) window_[i][row] = values[i];
    }
  }

  void resample(const Taps& taps, int64_t window_first, uint8_t* out) const {
    std::array<Column, kChannels> sums{};
    const Column* values = &window_[static_cast<size_t>((taps.first - window_first) * kChannels)];
    for (const double weight : taps.weights) {
      for (Column& sum : sums) {
        const Column& value = *values++;
        for (int row = 0; row < kRows; ++row) sum[row] += weight * value[row];
      }
    }
    for (int row = 0; row < kRows; ++row) {
      for (int64_t c = 0; c < kChannels; ++c) {
        out[row * outputs_ * kChannels + c] = to_level(sums[c][row]);
      }
    }
  }

  const Filter& filter_;
  int64_t inputs_, outputs_;
  std::vector<Column> window_;
};

Image resize_width(const Image& image, int64_t width) {
  constexpr int kBlock = 8;
  const Filter filter(image.width, width);
  RowResampler<kBlock> block(filter, image.width, width);
  RowResampler<1> single(filter, image.width, width);
  Image result{width, image.height, {}};
  result.rgb.resize(static_cast<size_t>(width * image.height * kChannels));
  const uint8_t* in = image.rgb.data();
  uint8_t* out = result.rgb.data();
  for (int64_t y = 0; y < image.height;) {
    const bool whole = y + kBlock <= image.height;
    const int64_t rows = whole ? kBlock : 1;
    whole ? block(in, out) : single(in, out);
    in += rows * image.width * kChannels;
    out += rows * width * kChannels;
    y += rows;
  }
  return result;
}

/// Adds up rows in pieces that stay in the L1 cache.
Image resize_height(const Image& image, int64_t height) {
  constexpr int64_t kPiece = 1024;
  const Filter filter(image.height, height);
  const int64_t row_size = image.width * kChannels;
  Image result{image.width, height, {}};
  result.rgb.resize(static_cast<size_t>(row_size * height));
  std::array<double, kPiece> sums;
  for (int64_t y = 0; y < height; ++y) {
    const Taps taps = filter[y];
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
