// Matrix products of every format on every instruction set of this machine, against double.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "every_isa.h"
#include "guarded_buffer.h"
#include "kernels/prefetch.h"
#include "numerics/quantize.h"
#include "octavo/error.h"
#include "sample.h"

namespace octavo {
namespace {

/// Outputs of rows [begin, end); the others are no number.
Rows multiply(const Kernels& k, const MatrixView& m, const Rows& inputs, int64_t begin,
              int64_t end) {
  Rows outputs(inputs.size(), std::vector<float>(m.rows, NAN));
  std::vector<const float*> x;
  std::vector<float*> y;
  for (size_t t = 0; t < inputs.size(); ++t) {
    x.push_back(inputs[t].data());
    y.push_back(outputs[t].data());
  }
  const std::vector<uint8_t> unset(static_cast<size_t>(exact_scratch_floats(m)) * 4, 0xff);
  GuardedBuffer scratch(unset);
  k.matmul(m, begin, end, x.data(), std::ssize(inputs), y.data(),
           reinterpret_cast<float*>(scratch.data()));
  return outputs;
}

Rows multiply(const Kernels& k, const MatrixView& m, const Rows& inputs) {
  return multiply(k, m, inputs, 0, m.rows);
}

/// Relative RMS error against double, over all outputs.
double relative_error(const Sample& s, const Rows& inputs, const Rows& outputs) {
  double difference = 0, total = 0;
  for (size_t t = 0; t < inputs.size(); ++t) {
    for (int64_t r = 0; r < s.view.rows; ++r) {
      double expected = 0;
      for (int64_t i = 0; i < s.view.cols; ++i) {
        expected += static_cast<double>(s.values[r * s.view.cols + i]) * inputs[t][i];
      }
      difference += std::pow(outputs[t][r] - expected, 2);
      total += expected * expected;
    }
  }
  return std::sqrt(difference / total);
}

void check(const Sample& sample, const std::string& what) {
  for (const std::string& isa : table_names()) {
    const Kernels& k = table_of(isa);
    for (const int64_t tokens : {1, 2, 3, 4, 5, 9}) {
      const auto inputs = random_inputs(tokens, sample.view.cols);
      const auto outputs = multiply(k, sample.view, inputs);
      EXPECT_LE(relative_error(sample, inputs, outputs), 1e-6)
          << what << " " << isa << " " << tokens;
      // One token alone gives the same bits as in company.
      for (size_t t = 0; t < inputs.size(); ++t) {
        EXPECT_EQ(multiply(k, sample.view, {inputs[t]})[0], outputs[t]) << what << " " << isa;
      }
    }
    std::vector<float> row(static_cast<size_t>(padded(sample.view.cols)));
    std::vector<float> sides(static_cast<size_t>(2 * padded(sample.view.groups())));
    for (int64_t r = 0; r < sample.view.rows; ++r) {
      k.decode_row(sample.view, r, 1.0f, row.data(), sides.data());
      for (int64_t i = 0; i < sample.view.cols; ++i) {
        const float expected = sample.values[r * sample.view.cols + i];
        ASSERT_NEAR(row[i], expected, std::abs(expected) * 2e-7 + 1e-7) << what << " " << isa;
      }
      for (int64_t i = sample.view.cols; i < padded(sample.view.cols); ++i) ASSERT_EQ(row[i], 0.0f);
    }
  }
}

TEST(Matmul, Dense) {
  for (const auto format : {MatrixFormat::kF32, MatrixFormat::kF16, MatrixFormat::kBF16}) {
    for (const int64_t cols : {1, 15, 16, 17, 100, 256}) {
      for (const int64_t rows : {1, 3, 4, 7}) {
        check(dense_sample(format, rows, cols), fmt::format("dense {}x{}", rows, cols));
      }
    }
  }
}

TEST(Matmul, AffineOfAllWidths) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int group : {32, 64, 128}) {
      for (const auto side : {SideDtype::kBF16, SideDtype::kF16, SideDtype::kF32}) {
        const QuantSpec spec{QuantMode::kAffine, bits, group};
        check(quantised_sample(spec, 5, group * 3, side), fmt::format("affine {}/{}", bits, group));
      }
    }
  }
}

TEST(Matmul, FloatModes) {
  for (const auto mode : {QuantMode::kMxfp8, QuantMode::kMxfp4, QuantMode::kNvfp4}) {
    const QuantSpec spec = default_spec(mode);
    for (const int64_t groups : {1, 2, 5}) {
      check(quantised_sample(spec, 6, groups * spec.group_size, SideDtype::kBF16),
            std::string(to_string(mode)));
    }
  }
}

/// Several panels of rows, blocks of columns and tiles of tokens, with what is left over of each:
/// against double, and against each token alone, bit by bit.
void check_panels(const Sample& sample, int64_t tokens) {
  const auto inputs = random_inputs(tokens, sample.view.cols);
  for (const std::string& isa : table_names()) {
    const auto what = fmt::format("{} {}x{} {}", isa, sample.view.rows, sample.view.cols, tokens);
    const auto outputs = multiply(table_of(isa), sample.view, inputs);
    EXPECT_LE(relative_error(sample, inputs, outputs), 1e-6) << what;
    for (const int64_t t : {int64_t{0}, tokens / 2, tokens - 1}) {
      EXPECT_EQ(multiply(table_of(isa), sample.view, {inputs[t]})[0], outputs[t]) << what;
    }
  }
}

TEST(Matmul, DensePanels) {
  for (const int64_t tokens : {5, 7, 13, 48, 49, 100}) {
    check_panels(dense_sample(MatrixFormat::kBF16, 67, 70), tokens);
  }
  for (const int64_t rows : {15, 16, 17, 63, 64, 65, 130}) {
    check_panels(dense_sample(MatrixFormat::kBF16, rows, 70), 11);
  }
  for (const int64_t cols : {1023, 1024, 1041, 2100, 8200}) {
    check_panels(dense_sample(MatrixFormat::kBF16, 19, cols), 8);
  }
  // More than one block of columns and more tokens than are summed up at once.
  for (const int64_t cols : {2100, 2117}) {  // blocks of one width, and of two
    for (const int64_t tokens : {49, 100}) {
      check_panels(dense_sample(MatrixFormat::kBF16, 19, cols), tokens);
    }
  }
}

TEST(Matmul, QuantisedPanels) {
  for (const int64_t groups : {15, 16, 17, 22, 33}) {  // scales are read 16 at a time
    check_panels(
        quantised_sample(default_spec(QuantMode::kMxfp8), 18, groups * 32, SideDtype::kBF16), 9);
    check_panels(quantised_sample({QuantMode::kAffine, 4, 64}, 18, groups * 64, SideDtype::kF16),
                 9);
  }
}

// So wide that the inputs of a few tokens are read once for several rows.
TEST(Matmul, FewTokensOfWideRows) {
  for (const int64_t rows : {18, 33}) {
    check(dense_sample(MatrixFormat::kBF16, rows, 2177), fmt::format("dense, {} rows", rows));
    for (const QuantSpec& spec :
         {default_spec(QuantMode::kMxfp8), default_spec(QuantMode::kMxfp4),
          QuantSpec{QuantMode::kAffine, 4, 64}, QuantSpec{QuantMode::kAffine, 8, 32},
          QuantSpec{QuantMode::kAffine, 8, 128}}) {
      check(quantised_sample(spec, rows, 2176, SideDtype::kBF16),
            fmt::format("{} bits, {} rows", spec.bits, rows));
    }
  }
}

// Scales of 16 rows are decoded together, whichever rows these are.
TEST(Matmul, RangesOfRowsGiveTheSameBits) {
  constexpr int64_t kRows = 67, kCols = 128;
  std::vector<uint8_t> weight, scales(kRows * kCols / 32, 120);
  for (int64_t i = 0; i < kRows * kCols; ++i) weight.push_back(static_cast<uint8_t>(i * 37 % 127));
  scales[20 * kCols / 32] = 3;  // too small for the fast decoders
  const Sample s = stored_sample(default_spec(QuantMode::kMxfp8), kRows, kCols, SideDtype::kBF16,
                                 weight, scales, {});
  for (const std::string& isa : table_names()) {
    for (const int64_t tokens : {1, 2, 4, 5}) {
      const Rows inputs = random_inputs(tokens, kCols);
      const Rows whole = multiply(table_of(isa), s.view, inputs);
      int64_t begin = 0;
      for (const int64_t end : {1, 5, 16, 48, 67}) {
        const Rows part = multiply(table_of(isa), s.view, inputs, begin, end);
        for (int64_t i = 0; i < tokens * kRows; ++i) {
          const int64_t t = i / kRows, r = i % kRows;
          if (r >= begin && r < end) {
            ASSERT_EQ(part[t][r], whole[t][r]) << isa << " row " << r;
          } else {
            ASSERT_TRUE(std::isnan(part[t][r])) << isa << " row " << r;
          }
        }
        begin = end;
      }
    }
  }
}

// How a CPU likes to be fed must not show in the results.
TEST(Matmul, SameBitsWithAnyStreamTuning) {
  const StreamTuning own = stream_tuning;
  std::vector<Sample> samples;
  samples.push_back(dense_sample(MatrixFormat::kBF16, 9, 4200));
  for (const MatrixFormat format : {MatrixFormat::kF32, MatrixFormat::kF16, MatrixFormat::kBF16}) {
    samples.push_back(dense_sample(format, 9, 200));
  }
  for (const QuantSpec& spec : quantised_formats()) {
    samples.push_back(quantised_sample(spec, 9, 3 * spec.group_size, SideDtype::kBF16));
  }
  for (const std::string& isa : table_names()) {
    for (const Sample& sample : samples) {
      for (const int64_t tokens : {1, 2, 4}) {
        const auto input = random_inputs(tokens, sample.view.cols);
        stream_tuning = {2048, 12288, 1};
        const auto expected = multiply(table_of(isa), sample.view, input);
        EXPECT_LE(relative_error(sample, input, expected), 1e-6) << isa;
        for (const StreamTuning& tuning :
             {StreamTuning{0, 0, 1}, StreamTuning{12288, 0, 2}, StreamTuning{2048, 12288, 4}}) {
          stream_tuning = tuning;
          EXPECT_EQ(multiply(table_of(isa), sample.view, input), expected) << isa;
        }
      }
      stream_tuning = own;
    }
  }
}

// All codes and scale bytes, NaN included: the variants must agree with the scalar reference.
TEST(Matmul, EveryMxfp8CodeAndScaleDecodesLikeTheReference) {
  const QuantSpec spec = default_spec(QuantMode::kMxfp8);
  std::vector<uint8_t> weight(256 * 256), scales(256 * 8);
  for (int scale = 0; scale < 256; ++scale) {
    for (int code = 0; code < 256; ++code) weight[scale * 256 + code] = static_cast<uint8_t>(code);
    for (int g = 0; g < 8; ++g) scales[scale * 8 + g] = static_cast<uint8_t>(scale);
  }
  std::vector<float> expected(256 * 256);
  dequantize(weight, scales, {}, 256, spec, expected);
  const MatrixView m{MatrixFormat::kQuantised,
                     spec,
                     SideDtype::kBF16,
                     256,
                     256,
                     weight.data(),
                     scales.data(),
                     nullptr};
  for (const std::string& isa : table_names()) {
    const Kernels& k = table_of(isa);
    for (int64_t r = 0; r < 256; ++r) {
      std::vector<float> row(256), sides(32);
      k.decode_row(m, r, 1.0f, row.data(), sides.data());
      for (int i = 0; i < 256; ++i) {
        const float want = expected[r * 256 + i];
        if (std::isnan(want)) {
          ASSERT_TRUE(std::isnan(row[i])) << isa << " scale " << r << " code " << i;
        } else {
          ASSERT_EQ(row[i], want) << isa << " scale " << r << " code " << i;
        }
      }
    }
  }
}

// Products of single weights: every code at scales inside and outside the range of the fast
// decoders, whole blocks and half ones, alone, beside others and in panels. 0x7F reads as 480,
// scales of 2^120 and more as infinity.
TEST(Matmul, EveryMxfp8CodeInProducts) {
  constexpr int kScales[] = {10, 120, 246, 0, 9, 247, 254};
  constexpr int64_t kInRange = 3;
  // Of two rows side by side, either one alone may have a code without an exponent.
  const auto code_at = [](int64_t r, int64_t c) {
    return static_cast<uint8_t>(r + c + (r % 2 == 0 ? 4 : 0));
  };
  for (const int64_t cols : {64, 96}) {
    std::vector<uint8_t> weight, scales;
    for (int64_t r = 0; r < 256; ++r) {
      for (int64_t c = 0; c < cols; ++c) weight.push_back(code_at(r, c));
      // One scale out of range sends 16 rows the slow way; every code goes both.
      const int64_t count = r / 16 % 4 == 2 ? std::ssize(kScales) : kInRange;
      for (int64_t g = 0; g < cols / 32; ++g) {
        scales.push_back(static_cast<uint8_t>(kScales[(r / 3 + g) % count]));
      }
    }
    const Sample s = stored_sample(default_spec(QuantMode::kMxfp8), 256, cols, SideDtype::kBF16,
                                   weight, scales, {});
    for (const std::string& isa : table_names()) {
      for (int64_t c = 0; c < cols; ++c) {
        Rows inputs(5, std::vector<float>(static_cast<size_t>(cols)));
        for (int64_t t = 0; t < 5; ++t) inputs[t][std::min(c + t, cols - 1)] = 1.0f;
        const auto panel = multiply(table_of(isa), s.view, inputs);
        for (const size_t tokens : {1, 2, 3, 4}) {
          const Rows some(inputs.begin(), inputs.begin() + static_cast<int64_t>(tokens));
          const auto y = multiply(table_of(isa), s.view, some);
          for (int64_t i = 0; i < static_cast<int64_t>(tokens) * 256; ++i) {
            const int64_t t = i / 256, r = i % 256, column = std::min(c + t, cols - 1);
            const int code = code_at(r, column);
            const int scale = s.view.scales[r * (cols / 32) + column / 32];
            bool infinite = false;  // some weight of the row: 0 times it is no number
            for (int64_t g = 0; g < cols / 32; ++g) {
              infinite = infinite || s.view.scales[r * (cols / 32) + g] > 246;
            }
            if (infinite) {
              ASSERT_EQ(std::isfinite(y[t][r]), std::isfinite(panel[t][r])) << isa << " row " << r;
              continue;
            }
            const float want = std::ldexp(read_e4m3(code), scale - 127);
            ASSERT_EQ(y[t][r], want) << isa << " code " << code << " scale " << scale;
            ASSERT_EQ(panel[t][r], want) << isa << " code " << code << " scale " << scale;
          }
        }
      }
    }
  }
}

TEST(Dispatch, NamesAndRefusals) {
  EXPECT_EQ(available_isas().back(), "scalar");
  EXPECT_EQ(kernels_for("scalar").name, "scalar");
  EXPECT_THROW(kernels_for("mmx"), Error);
  try {
    kernels_for("mmx");
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("expected one of"));
  }
}

}  // namespace
}  // namespace octavo
