// Integer matrix products of every quantised format on every instruction set of this machine:
// accuracy, and the same bits whatever the tokens, rows and instructions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "every_isa.h"
#include "numerics/bfloat16.h"
#include "numerics/e2m1.h"
#include "numerics/e4m3.h"
#include "numerics/e8m0.h"
#include "numerics/packing.h"
#include "sample.h"

namespace octavo {
namespace {

constexpr int64_t kTokens = 33;

/// A sample's weights in double as integer products read them: [rows, cols].
std::vector<double> read_weights(const Sample& s) {
  const MatrixView& m = s.view;
  std::vector<double> weights(s.values.begin(), s.values.end());
  if (m.spec.mode == QuantMode::kMxfp8) {
    for (size_t i = 0; i < weights.size(); ++i) {
      const double scale = decode_e8m0(m.scales[i / 32]);
      const double value = weights[i] / scale;
      const bool subnormal = std::abs(value) < 0x1p-6;
      weights[i] = subnormal ? 0 : std::floor(32 * value) / 32 * scale;
    }
  }
  if (m.spec.mode == QuantMode::kAffine) {  // the values are rounded to f32
    std::vector<uint8_t> codes(weights.size());
    for (int64_t r = 0; r < m.rows; ++r) {
      unpack_codes(m.weight + r * m.weight_row_bytes(), static_cast<int>(m.cols), m.spec.bits,
                   codes.data() + r * m.cols);
    }
    for (int64_t i = 0; i < std::ssize(codes); ++i) {
      const int64_t group = i / m.spec.group_size;
      weights[i] = codes[i] * static_cast<double>(side_value(m.scales, m.side, group)) +
                   side_value(m.biases, m.side, group);
    }
  }
  return weights;
}

/// Outputs against double. Errors are relative to the size a sum of independent terms would have,
/// so that an output that happens to be near zero does not count as wrong.
struct Accuracy {
  double total = 0, against_values = 0, against_read = 0;  // sums of squares
  double worst = 0;                                        // of error / bound

  static double relative(double difference, double size) { return std::sqrt(difference / size); }
};

/// `x`: the inputs as the scalar kernels write them.
Accuracy accuracy(const Sample& s, const Rows& inputs, const IntegerInputs& x,
                  const Rows& outputs) {
  const int64_t cols = s.view.cols;
  const std::vector<double> weights = read_weights(s);
  Accuracy result;
  for (size_t t = 0; t < inputs.size(); ++t) {
    std::vector<double> read(static_cast<size_t>(cols)), step(read.size());
    for (int64_t i = 0; i < cols; ++i) {
      step[i] = x.rows[t].scales[i / 32];
      read[i] = x.rows[t].codes[code_place(kernels_for("scalar"), i)] * step[i];
    }
    for (int64_t r = 0; r < s.view.rows; ++r) {
      double expected = 0, expected_read = 0, size = 0, bound = 0;
      for (int64_t i = 0; i < cols; ++i) {
        const double value = s.values[r * cols + i], weight = weights[r * cols + i];
        const double input = inputs[t][i];
        expected += value * input;
        expected_read += weight * read[i];
        size += value * value * input * input;
        // Half a step of the input, what E4M3 loses, and roundings of f32, of which a group
        // with a bias, larger than its weights, has most.
        bound += 0.5 * std::abs(weight) * step[i] + std::abs((value - weight) * input) +
                 1e-5 * std::abs(weight * input);
      }
      const double difference = std::abs(outputs[t][r] - expected);
      result.against_values += difference * difference;
      result.against_read += std::pow(outputs[t][r] - expected_read, 2);
      result.total += size;
      result.worst = std::max(result.worst, difference / (bound + 1e-30));
    }
  }
  return result;
}

/// Each token alone on the scalar kernels: what every other way must give.
/// `x`: the inputs as those write them.
Rows reference_outputs(const Sample& s, const IntegerInputs& x) {
  Rows outputs;
  for (const IntegerRow& row : x.rows) {
    outputs.push_back(
        multiply_integer(kernels_for("scalar"), s.view, {&row, 1}, 0, s.view.rows)[0]);
  }
  return outputs;
}

/// Tokens from `first` on in one product, rows cut at `cuts`.
void expect_bits(const Kernels& k, const Sample& s, const IntegerInputs& x, int64_t first,
                 int64_t count, std::vector<int64_t> cuts, const Rows& expected,
                 const std::string& what) {
  cuts.push_back(s.view.rows);
  int64_t begin = 0;
  for (const int64_t end : cuts) {
    if (end <= begin || end > s.view.rows) continue;
    const Rows outputs =
        multiply_integer(k, s.view, std::span(x.rows).subspan(first, count), begin, end);
    for (int64_t t = 0; t < count; ++t) {
      ASSERT_EQ(std::memcmp(&outputs[t][begin], &expected[first + t][begin],
                            static_cast<size_t>(end - begin) * sizeof(float)),
                0)
          << what << " on " << k.name << ": token " << t << " of " << count << ", rows [" << begin
          << ", " << end << ")";
      for (int64_t r = 0; r < s.view.rows; ++r) {
        ASSERT_TRUE((begin <= r && r < end) || std::isnan(outputs[t][r])) << what << " row " << r;
      }
    }
    begin = end;
  }
}

void check(const QuantSpec& spec, int64_t rows, int64_t cols, SideDtype side,
           const std::vector<int64_t>& batches) {
  const std::string what = name_of(spec) + " " + std::to_string(rows) + "x" + std::to_string(cols);
  const Sample sample = quantised_sample(spec, rows, cols, side);
  const int64_t most = std::ranges::max(batches);
  const Rows inputs = random_inputs(most, cols);
  const IntegerInputs x(kernels_for("scalar"), inputs, cols);
  const Rows expected = reference_outputs(sample, x);

  const Accuracy error = accuracy(sample, inputs, x, expected);
  EXPECT_LE(Accuracy::relative(error.against_values, error.total), 4e-4) << what;
  EXPECT_LE(Accuracy::relative(error.against_read, error.total), 1e-6) << what;
  EXPECT_LE(error.worst, 1) << what;

  for (const std::string& isa : table_names()) {
    const Kernels& k = table_of(isa);
    const IntegerInputs own(k, inputs, cols);
    for (const int64_t tokens : batches) {
      expect_bits(k, sample, own, 0, tokens, {}, expected, what);
      // Other company, and rows split at odd places as threads might.
      if (tokens == 1 || tokens == 2 || tokens == 4 || tokens == 9) {
        expect_bits(k, sample, own, most - tokens, tokens, {1, 5, 16, 48, 67}, expected, what);
      }
    }
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(MatmulInteger, EveryFormatAndSideType) {
  for (const QuantSpec& spec : quantised_formats()) {
    for (const auto side : {SideDtype::kBF16, SideDtype::kF16, SideDtype::kF32}) {
      if (!spec.has_biases() && side != SideDtype::kBF16) continue;
      // Three groups: half a block is missing at the end of the narrow ones.
      check(spec, 19, 3 * spec.group_size, side, {1, 2, 3, 4, 5, 9});
    }
  }
}

TEST(MatmulInteger, AnyNumberOfTokens) {
  for (const QuantSpec& spec : quantised_formats()) {
    if (spec.group_size == 64) continue;  // 32 and 128 bracket it
    check(spec, 49, 5 * spec.group_size, SideDtype::kBF16, {1, 2, 3, 4, 5, 7, 8, 9, 17, kTokens});
  }
}

TEST(MatmulInteger, AnyNumberOfRows) {
  for (const int64_t rows : {1, 3, 15, 16, 17, 48, 49, 64, 65, 132}) {
    for (const QuantSpec& spec :
         {default_spec(QuantMode::kMxfp8), default_spec(QuantMode::kNvfp4),
          QuantSpec{QuantMode::kAffine, 6, 32}, QuantSpec{QuantMode::kAffine, 4, 64}}) {
      check(spec, rows, 192, SideDtype::kBF16, {1, 2, 4, 6, 9});
    }
  }
}

// Steps of the row kernels are 8 blocks of 64 columns, 4 for NVFP4; 16 groups of the largest size
// are 32 blocks. A panel holds whole rows.
TEST(MatmulInteger, AnyNumberOfColumns) {
  for (const QuantSpec& spec : quantised_formats()) {
    const int64_t g = spec.group_size;
    for (const int64_t cols :
         {g, 2 * g, 96L, 224L, 256L, 352L, 480L, 512L, 640L, 704L, 2112L, 2176L}) {
      if (cols % g == 0) check(spec, 3, cols, SideDtype::kF16, {1, 2, 3, 4, 5});
    }
  }
}

TEST(MatmulInteger, WideRows) {
  for (const QuantSpec& spec :
       {default_spec(QuantMode::kMxfp8), default_spec(QuantMode::kMxfp4),
        default_spec(QuantMode::kNvfp4), QuantSpec{QuantMode::kAffine, 3, 32},
        QuantSpec{QuantMode::kAffine, 8, 32}, QuantSpec{QuantMode::kAffine, 5, 64},
        QuantSpec{QuantMode::kAffine, 6, 128}}) {
    for (const int64_t rest : {spec.group_size, 3 * spec.group_size}) {
      check(spec, 17, 4096 + rest, SideDtype::kF32, {1, 3, 5});
    }
    check(spec, 49, 8192 + spec.group_size, SideDtype::kBF16, {2, 6});
  }
}

// Panels of the most rows whose partial sums have a first group, groups between and a last one.
TEST(MatmulInteger, PanelsOfManyGroups) {
  for (const QuantSpec& spec :
       {default_spec(QuantMode::kMxfp8), default_spec(QuantMode::kNvfp4),
        QuantSpec{QuantMode::kAffine, 4, 32}, QuantSpec{QuantMode::kAffine, 8, 32}}) {
    check(spec, 65, 2112, SideDtype::kBF16, {5, 6});
  }
}

/// Row r of [rows, cols] has code (r + c) % codes in column c: every code in every place.
std::vector<uint8_t> all_codes(int bits, int64_t rows, int64_t cols) {
  std::vector<uint8_t> packed, codes(static_cast<size_t>(cols));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) codes[c] = static_cast<uint8_t>((r + c) & ((1 << bits) - 1));
    packed.resize(packed.size() + static_cast<size_t>(cols / 8 * bits));
    pack_codes(codes.data(), static_cast<int>(cols), bits,
               &packed[packed.size() - cols / 8 * bits]);
  }
  return packed;
}

/// One-hot inputs read single weights: those of [rows, 192] must be `weight(row, code)`.
template <class Weight>
void check_codes(const Sample& s, const Weight& weight) {
  const int64_t cols = s.view.cols;
  const int mask = (1 << s.view.spec.bits) - 1;
  Rows inputs(static_cast<size_t>(cols), std::vector<float>(static_cast<size_t>(cols)));
  for (int64_t c = 0; c < cols; ++c) inputs[c][c] = 1.0f;
  for (const std::string& isa : table_names()) {
    const Kernels& k = table_of(isa);
    const IntegerInputs x(k, inputs, cols);
    for (const int64_t tokens : {1, 2, 4, 64}) {
      for (int64_t first = 0; first < cols; first += tokens) {
        const Rows y =
            multiply_integer(k, s.view, std::span(x.rows).subspan(first, tokens), 0, s.view.rows);
        for (int64_t i = 0; i < tokens * s.view.rows; ++i) {
          const int64_t r = i % s.view.rows, c = first + i / s.view.rows;
          const int code = static_cast<int>(r + c) & mask;
          const float got = y[i / s.view.rows][r], want = weight(r, code);
          if (got == want) continue;  // infinities too
          ASSERT_NEAR(got, want, std::abs(want) * 3e-7)
              << isa << " row " << r << " column " << c << " code " << code << ", " << tokens;
        }
      }
    }
  }
}

/// Scales of a row are the row's number.
std::vector<uint8_t> all_scales(int64_t rows, int64_t groups) {
  std::vector<uint8_t> scales;
  for (int64_t i = 0; i < rows * groups; ++i) scales.push_back(static_cast<uint8_t>(i / groups));
  return scales;
}

TEST(MatmulInteger, EveryE4m3Code) {
  const std::vector<uint8_t> scales(256 * 18, 130);  // 8
  const Sample s = stored_sample(default_spec(QuantMode::kMxfp8), 256, 576, SideDtype::kBF16,
                                 all_codes(8, 256, 576), scales, {});
  check_codes(s, [](int64_t, int code) {
    return (code & 0x78) == 0 ? 0.0f : std::floor(read_e4m3(code) * 32) / 4;
  });
}

TEST(MatmulInteger, EveryE2m1CodeAndE8m0Scale) {
  // 255 is infinity, and every output with it no number.
  const Sample s = stored_sample(default_spec(QuantMode::kMxfp4), 255, 192, SideDtype::kBF16,
                                 all_codes(4, 255, 192), all_scales(255, 6), {});
  check_codes(s, [](int64_t row, int code) {
    return decode_e2m1(static_cast<uint8_t>(code)) * decode_e8m0(static_cast<uint8_t>(row));
  });
}

TEST(MatmulInteger, EveryE2m1CodeAndE4m3Scale) {
  const Sample s = stored_sample(default_spec(QuantMode::kNvfp4), 256, 192, SideDtype::kBF16,
                                 all_codes(4, 256, 192), all_scales(256, 12), {});
  check_codes(s, [](int64_t row, int code) {
    return decode_e2m1(static_cast<uint8_t>(code)) * read_e4m3(static_cast<int>(row));
  });
}

TEST(MatmulInteger, EveryAffineCode) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    const int64_t rows = 1 << bits, cols = bits == 8 ? 576 : 192;
    std::vector<uint8_t> scales, biases;
    for (int64_t i = 0; i < rows * cols / 32; ++i) {
      for (auto [part, value] : {std::pair{&scales, 0.75f}, std::pair{&biases, 1.5f}}) {
        const uint16_t bf16 = float_to_bf16(value);
        part->insert(part->end(), {static_cast<uint8_t>(bf16), static_cast<uint8_t>(bf16 >> 8)});
      }
    }
    const Sample s = stored_sample({QuantMode::kAffine, bits, 32}, rows, cols, SideDtype::kBF16,
                                   all_codes(bits, rows, cols), scales, biases);
    check_codes(s, [](int64_t, int code) { return 0.75f * static_cast<float>(code) + 1.5f; });
  }
}

/// Inputs of 1 and of -1: every output is that times the sum of a row's weights, all `weight`.
void expect_sums_of_ones(const Sample& s, float weight) {
  const int64_t cols = s.view.cols, rows = s.view.rows;
  for (const float value : {1.0f, -1.0f}) {
    const Rows inputs(5, std::vector<float>(static_cast<size_t>(cols), value));
    const float expected = value * static_cast<float>(cols) * weight;
    for (const std::string& isa : table_names()) {
      const Kernels& k = table_of(isa);
      const IntegerInputs x(k, inputs, cols);
      for (const size_t tokens : {1, 2, 4, 5}) {
        for (const auto& y :
             multiply_integer(k, s.view, std::span(x.rows).first(tokens), 0, rows)) {
          for (const float got : y) EXPECT_NEAR(got, expected, 0.1) << isa << tokens;
        }
      }
    }
  }
}

// The largest sums that a group can have: 32 products of 480 * 32 and 4095.
TEST(MatmulInteger, SumsOfAGroupDoNotOverflow) {
  constexpr int64_t kCols = 576;
  const std::vector<uint8_t> weight(17 * kCols, 0x7e), scales(17 * kCols / 32, 127);  // 448
  const Sample s = stored_sample(default_spec(QuantMode::kMxfp8), 17, kCols, SideDtype::kBF16,
                                 weight, scales, {});
  expect_sums_of_ones(s, 448);
}

TEST(MatmulInteger, LargestAffineSums) {
  constexpr int64_t kCols = 576;
  const std::vector<uint8_t> weight(3 * kCols, 255), biases(3 * kCols / 32 * 2, 0);
  std::vector<uint8_t> scales;
  for (int i = 0; i < 3 * kCols / 32; ++i) scales.insert(scales.end(), {0x80, 0x3f});  // 1 in BF16
  const Sample s = stored_sample({QuantMode::kAffine, 8, 32}, 3, kCols, SideDtype::kBF16, weight,
                                 scales, biases);
  expect_sums_of_ones(s, 255);
}

TEST(MatmulInteger, OneBadInputSpoilsItsOwnOutputsOnly) {
  for (const QuantSpec& spec : quantised_formats()) {
    const int64_t cols = 3 * spec.group_size;
    const Sample s = quantised_sample(spec, 17, cols, SideDtype::kBF16);
    const Rows good = random_inputs(6, cols);
    Rows bad = good;
    bad[1][cols - 1] = std::numeric_limits<float>::quiet_NaN();
    bad[2][0] = std::numeric_limits<float>::infinity();
    const Rows expected = reference_outputs(s, IntegerInputs(kernels_for("scalar"), good, cols));
    for (const std::string& isa : table_names()) {
      const Kernels& k = table_of(isa);
      const IntegerInputs x(k, bad, cols);
      for (const size_t tokens : {3, 4, 6}) {
        const Rows y = multiply_integer(k, s.view, std::span(x.rows).first(tokens), 0, 17);
        for (size_t t = 0; t < tokens; ++t) {
          if (t != 1 && t != 2) {
            EXPECT_EQ(y[t], expected[t]) << name_of(spec) << " " << isa;
            continue;
          }
          for (const float value : y[t]) EXPECT_TRUE(std::isnan(value)) << name_of(spec) << isa;
        }
      }
    }
  }
}

// Row kernels read sides, and codes past a row's end, together with those of the rows that follow.
TEST(MatmulInteger, BadSidesSpoilTheirOwnRowOnly) {
  constexpr int64_t kRows = 19, kBad = 4;
  for (const QuantSpec& spec : quantised_formats()) {
    const int64_t cols = 3 * spec.group_size, groups = cols / spec.group_size;
    const Sample s = quantised_sample(spec, kRows, cols, SideDtype::kF32);
    const auto copy = [](const uint8_t* p, int64_t bytes) {
      return p == nullptr ? std::vector<uint8_t>() : std::vector<uint8_t>(p, p + bytes);
    };
    const int64_t side_bytes = s.view.side_row_bytes();
    std::vector<uint8_t> scales = copy(s.view.scales, kRows * side_bytes),
                         biases = copy(s.view.biases, kRows * side_bytes);
    for (std::vector<uint8_t>* sides : {&scales, &biases}) {
      if (sides->empty()) continue;
      if (spec.has_biases()) {
        for (int64_t g = 0; g < groups; ++g) {
          const float infinity = std::numeric_limits<float>::infinity();
          std::memcpy(&(*sides)[kBad * side_bytes + g * 4], &infinity, 4);
        }
      } else {
        std::fill_n(sides->begin() + kBad * side_bytes, side_bytes, uint8_t{0xff});
      }
    }
    const Sample bad =
        stored_sample(spec, kRows, cols, SideDtype::kF32,
                      copy(s.view.weight, kRows * s.view.weight_row_bytes()), scales, biases);
    const Rows inputs = random_inputs(5, cols);
    const Rows expected = reference_outputs(s, IntegerInputs(kernels_for("scalar"), inputs, cols));
    for (const std::string& isa : table_names()) {
      const Kernels& k = table_of(isa);
      const IntegerInputs x(k, inputs, cols);
      for (const size_t tokens : {1, 2, 4, 5}) {
        const Rows y = multiply_integer(k, bad.view, std::span(x.rows).first(tokens), 0, kRows);
        for (size_t t = 0; t < tokens; ++t) {
          for (int64_t r = 0; r < kRows; ++r) {
            if (r == kBad) continue;
            EXPECT_EQ(y[t][r], expected[t][r]) << name_of(spec) << " " << isa << " row " << r;
          }
        }
      }
    }
  }
}

TEST(MatmulInteger, ZeroInputsGiveZero) {
  for (const QuantSpec& spec : quantised_formats()) {
    const int64_t cols = 3 * spec.group_size;
    const Sample s = quantised_sample(spec, 5, cols, SideDtype::kBF16);
    const Rows zeros(5, std::vector<float>(static_cast<size_t>(padded(cols))));
    for (const std::string& isa : table_names()) {
      const IntegerInputs x(table_of(isa), zeros, cols);
      for (const size_t tokens : {1, 5}) {
        const std::span rows = std::span(x.rows).first(tokens);
        for (const auto& y : multiply_integer(table_of(isa), s.view, rows, 0, 5)) {
          EXPECT_EQ(y, std::vector<float>(5)) << name_of(spec) << " " << isa;
        }
      }
    }
  }
}

}  // namespace
}  // namespace octavo
