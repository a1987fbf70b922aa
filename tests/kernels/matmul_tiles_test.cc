// Matrix products in tiles of BF16 numbers, emulated and of this machine: accuracy, and the same
// bits whatever the tokens and rows.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "every_isa.h"
#include "kernels/tile_rows.h"
#include "numerics/bfloat16.h"
#include "sample.h"

namespace octavo {
namespace {

/// Inputs split into tiles, from the first row of a block on.
struct TileInputs {
  TileInputs(const Kernels& k, std::span<const std::vector<float>> inputs, int64_t cols,
             int parts) {
    const int64_t words = tile_block_words(cols, parts), tokens = std::ssize(inputs);
    const int64_t blocks = tile_blocks(tokens);
    // Rows past the last one hold NaN: they must not be read, or not matter.
    const std::vector<uint8_t> unset(static_cast<size_t>(blocks * words * 2), 0xff);
    memory = std::make_unique<GuardedBuffer>(unset);
    for (int64_t t = 0; t < tokens; ++t) {
      k.split_row(inputs[t].data(), cols, parts, data() + tile_row_place(t, words));
    }
  }
  uint16_t* data() const { return reinterpret_cast<uint16_t*>(memory->data()); }
  std::unique_ptr<GuardedBuffer> memory;
};

/// Rows [begin, end) of the product, NaN elsewhere; with scratch that ends at an inaccessible page.
Rows multiply_tiles(const Kernels& k, const MatrixView& m,
                    std::span<const std::vector<float>> inputs, int parts, int64_t begin,
                    int64_t end) {
  constexpr int64_t kPast = 16;
  const TileInputs x(k, inputs, m.cols, parts);
  Rows outputs(inputs.size(), std::vector<float>(static_cast<size_t>(m.rows + kPast), NAN));
  std::vector<float*> y;
  for (auto& output : outputs) y.push_back(output.data());
  const std::vector<uint8_t> unset(static_cast<size_t>(tile_scratch_bytes(m)), 0xcd);
  GuardedBuffer scratch(unset);
  k.matmul_tiles(m, begin, end, x.data(), parts, std::ssize(inputs), y.data(), scratch.data());
  for (auto& output : outputs) {
    for (int64_t i = 0; i < m.rows + kPast; ++i) {
      EXPECT_EQ(std::isnan(output[i]), i < begin || end <= i) << k.name << " row " << i;
    }
    output.resize(static_cast<size_t>(m.rows));
  }
  return outputs;
}

/// The whole product in two parts, which may hold NaN.
Rows product_of_tiles(const Kernels& k, const MatrixView& m, const Rows& inputs) {
  const TileInputs x(k, inputs, m.cols, 2);
  Rows y(inputs.size(), std::vector<float>(static_cast<size_t>(m.rows)));
  std::vector<float*> out;
  for (auto& row : y) out.push_back(row.data());
  std::vector<float> scratch(static_cast<size_t>(tile_scratch_bytes(m) / 4));
  k.matmul_tiles(m, 0, m.rows, x.data(), 2, std::ssize(y), out.data(), scratch.data());
  return y;
}

/// Relative to the size that a sum of independent terms would have, over all outputs.
double relative_error(const Sample& s, const Rows& inputs, const Rows& outputs) {
  double difference = 0, total = 0;
  for (size_t t = 0; t < inputs.size(); ++t) {
    for (int64_t r = 0; r < s.view.rows; ++r) {
      double expected = 0;
      for (int64_t i = 0; i < s.view.cols; ++i) {
        const double product = static_cast<double>(s.values[r * s.view.cols + i]) * inputs[t][i];
        expected += product;
        total += product * product;
      }
      difference += std::pow(outputs[t][r] - expected, 2);
    }
  }
  return std::sqrt(difference / total);
}

void check(const Sample& s, const std::string& name, std::initializer_list<int64_t> batches) {
  const int64_t rows = s.view.rows, most = std::ranges::max(batches);
  const Rows inputs = random_inputs(most, s.view.cols);
  for (const int parts : {2, 3}) {
    const Rows expected = multiply_tiles(emulated_tiles(), s.view, inputs, parts, 0, rows);
    const auto what = fmt::format("{} {}x{} in {} parts", name, rows, s.view.cols, parts);
    EXPECT_LE(relative_error(s, inputs, expected), parts == 2 ? 8e-6 : 1e-6) << what;
    for (const Kernels* k : tile_tables()) {
      for (const int64_t tokens : batches) {
        // The last ones: other company than before, and other places in their tiles.
        const auto some = std::span(inputs).last(static_cast<size_t>(tokens));
        int64_t begin = 0;
        for (const int64_t cut : {int64_t{1}, int64_t{16}, int64_t{37}, rows}) {
          if (cut <= begin || cut > rows || (tokens > 3 && cut < rows)) continue;
          const Rows outputs = multiply_tiles(*k, s.view, some, parts, begin, cut);
          for (int64_t t = 0; t < tokens; ++t) {
            const auto part = static_cast<size_t>(cut - begin) * sizeof(float);
            ASSERT_EQ(std::memcmp(&outputs[t][begin], &expected[most - tokens + t][begin], part), 0)
                << what << " on " << k->name << ": token " << t << " of " << tokens << ", rows ["
                << begin << ", " << cut << ")";
          }
          begin = cut;
        }
      }
    }
  }
}

TEST(MatmulTiles, EveryFormat) {
  for (const QuantSpec& spec : quantised_formats()) {
    for (const int64_t groups : {1, 2, 3, 4, 17}) {
      const Sample s = quantised_sample(spec, 19, groups * spec.group_size, SideDtype::kBF16);
      EXPECT_EQ(s.view.fits_tiles(), spec.mode != QuantMode::kAffine);
      if (s.view.fits_tiles()) check(s, name_of(spec), {1, 2, 5, 17});
    }
  }
  for (const int64_t cols : {1, 15, 16, 17, 31, 32, 33, 100, 256}) {
    check(dense_sample(MatrixFormat::kBF16, 19, cols), "bf16", {1, 17});
  }
  EXPECT_FALSE(dense_sample(MatrixFormat::kF16, 1, 1).view.fits_tiles());
  EXPECT_FALSE(dense_sample(MatrixFormat::kF32, 1, 1).view.fits_tiles());
}

TEST(MatmulTiles, AnyNumberOfTokens) {
  const Sample s = quantised_sample(default_spec(QuantMode::kMxfp8), 35, 96, SideDtype::kBF16);
  check(s, "mxfp8", {1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 70});
}

TEST(MatmulTiles, AnyNumberOfRows) {
  for (const int64_t rows : {1, 15, 16, 17, 31, 32, 33, 64, 65, 257, 300}) {
    for (const QuantSpec& spec :
         {default_spec(QuantMode::kMxfp8), default_spec(QuantMode::kNvfp4)}) {
      check(quantised_sample(spec, rows, 64, SideDtype::kF16), name_of(spec), {2, 18});
    }
    check(dense_sample(MatrixFormat::kBF16, rows, 40), "bf16", {2, 18});
  }
}

// Several of the largest panels, and tiles that are set up for another number of tokens in between.
TEST(MatmulTiles, PanelsOfManyTokens) {
  const Sample s = quantised_sample(default_spec(QuantMode::kMxfp8), 300, 64, SideDtype::kBF16);
  check(s, "mxfp8", {40, 70, 129});
}

// Panels of as many rows as fit, down to one group of 32.
TEST(MatmulTiles, WideRows) {
  for (const int64_t cols : {2816, 8192 + 32, 17024}) {
    check(quantised_sample(default_spec(QuantMode::kMxfp8), 35, cols, SideDtype::kBF16), "mxfp8",
          {2});
  }
  check(quantised_sample(default_spec(QuantMode::kMxfp4), 35, 8192, SideDtype::kBF16), "mxfp4",
        {2});
}

/// One-hot inputs read single weights.
void check_weights(const Sample& s, const std::vector<float>& expected) {
  const int64_t cols = s.view.cols;
  Rows inputs(static_cast<size_t>(cols), std::vector<float>(static_cast<size_t>(padded(cols))));
  for (int64_t c = 0; c < cols; ++c) inputs[c][c] = 1.0f;
  for (const Kernels* k : tile_tables()) {
    const Rows y = multiply_tiles(*k, s.view, inputs, 2, 0, s.view.rows);
    for (int64_t r = 0; r < s.view.rows; ++r) {
      for (int64_t c = 0; c < cols; ++c) {
        ASSERT_EQ(y[c][r], expected[r * cols + c]) << k->name << " row " << r << " column " << c;
      }
    }
  }
}

// Codes and scales of MXFP8 are exact in BF16: near the ends of its range, where scales leave the
// fast decoder's, as long as the weight is neither subnormal nor infinite.
TEST(MatmulTiles, EveryE4m3CodeAtEveryScale) {
  for (const int first : {0, 9, 10, 100, 240, 246}) {
    std::vector<uint8_t> codes, scales;
    std::vector<float> expected;
    for (int r = 0; r < 16; ++r) {
      const int scale = std::min(first + r, 246);
      for (int c = 0; c < 256; ++c) {
        const float weight = std::ldexp(read_e4m3(c), scale - 127), size = std::abs(weight);
        const bool kept = size >= 0x1p-126f && std::isfinite(size);
        codes.push_back(static_cast<uint8_t>(kept ? c : 0));
        expected.push_back(kept ? weight : 0);
      }
      scales.insert(scales.end(), 8, static_cast<uint8_t>(scale));
    }
    check_weights(stored_sample(default_spec(QuantMode::kMxfp8), 16, 256, SideDtype::kBF16, codes,
                                scales, {}),
                  expected);
  }
}

// Scales that only a broken file holds: rows beside them are the same bits as without.
TEST(MatmulTiles, HugeScalesSpoilTheirOwnRowOnly) {
  const auto sample_with = [](uint8_t scale) {
    std::vector<uint8_t> weight, scales;
    for (int i = 0; i < 19 * 96; ++i) weight.push_back(static_cast<uint8_t>(i * 37 % 127));
    for (int i = 0; i < 19 * 3; ++i) scales.push_back(i / 3 == 4 ? scale : 120);
    return stored_sample(default_spec(QuantMode::kMxfp8), 19, 96, SideDtype::kBF16, weight, scales,
                         {});
  };
  const Rows inputs = random_inputs(3, 96);
  for (const Kernels* k : tile_tables()) {
    const Sample good = sample_with(120);
    const Rows expected = product_of_tiles(*k, good.view, inputs);
    for (const uint8_t scale : {247, 254, 255}) {
      const Sample bad = sample_with(scale);
      const Rows y = product_of_tiles(*k, bad.view, inputs);
      for (size_t t = 0; t < y.size(); ++t) {
        for (int64_t r = 0; r < 19; ++r) {
          if (r == 4) continue;
          EXPECT_EQ(y[t][r], expected[t][r]) << k->name << " row " << r;
        }
        EXPECT_TRUE(!std::isfinite(y[t][4]) || std::abs(y[t][4]) > 1e30) << k->name;
      }
    }
  }
}

TEST(MatmulTiles, PartsOfAnInput) {
  const Rows inputs = random_inputs(3, 70);
  for (const Kernels* k : tile_tables()) {
    for (const int parts : {2, 3}) {
      const TileInputs x(*k, inputs, 70, parts);
      for (size_t t = 0; t < inputs.size(); ++t) {
        for (int64_t i = 0; i < 96; ++i) {
          const int64_t j = i % 32, place = j / 4 * 4 + j % 2 * 2 + j % 4 / 2;
          double sum = 0;
          for (int part = 0; part < parts; ++part) {
            sum += bf16_to_float(
                x.data()[(i / 32 * parts + part) * kTileWords + t * kTileColumns + place]);
          }
          const double value = i < 70 ? inputs[t][i] : 0.0;
          ASSERT_NEAR(sum, value, std::abs(value) * (parts == 2 ? 0x1p-17 : 0)) << k->name;
        }
      }
    }
  }
}

TEST(MatmulTiles, OneBadInputSpoilsItsOwnOutputsOnly) {
  const Sample s = quantised_sample(default_spec(QuantMode::kMxfp8), 33, 96, SideDtype::kBF16);
  const Rows good = random_inputs(20, 96);
  Rows bad = good;
  bad[1][95] = std::numeric_limits<float>::quiet_NaN();
  bad[17][0] = std::numeric_limits<float>::infinity();
  for (const Kernels* k : tile_tables()) {
    const Rows expected = multiply_tiles(*k, s.view, good, 2, 0, 33);
    const Rows y = product_of_tiles(*k, s.view, bad);
    for (size_t t = 0; t < y.size(); ++t) {
      if (t != 1 && t != 17) {
        EXPECT_EQ(y[t], expected[t]) << k->name << " " << t;
        continue;
      }
      for (const float value : y[t]) EXPECT_TRUE(std::isnan(value)) << k->name << " " << t;
    }
  }
}

}  // namespace
}  // namespace octavo
