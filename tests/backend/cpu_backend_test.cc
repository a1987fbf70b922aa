// Matrix operations of the CPU backend: the same bits for any number of threads and in any company,
// close to double by default and closer in exact mode.
#include "backend/cpu/cpu_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>

#include "emulated.h"
#include "numerics/bfloat16.h"
#include "numerics/quantize.h"

namespace octavo {
namespace {

const QuantSpec kMxfp8 = default_spec(QuantMode::kMxfp8);
const QuantSpec kNvfp4 = default_spec(QuantMode::kNvfp4);
const QuantSpec kAffine4 = {QuantMode::kAffine, 4, 64};
const QuantSpec kAffine6 = {QuantMode::kAffine, 6, 32};
const QuantSpec kAffine8 = {QuantMode::kAffine, 8, 64};

std::vector<float> random_values(int64_t count, unsigned seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) x = normal(rng);
  return values;
}

Tensor random_rows(int64_t rows, int64_t cols, unsigned seed = 1) {
  Tensor t(rows, cols);
  const auto values = random_values(rows * cols, seed);
  for (int64_t r = 0; r < rows; ++r) std::copy_n(&values[r * cols], cols, t.row(r));
  return t;
}

Tensor row_alone(const Tensor& t, int64_t row) {
  Tensor one(1, t.cols());
  std::copy_n(t.row(row), t.cols(), one.row(0));
  return one;
}

/// A random matrix with memory of its own, and the values it holds.
struct Matrix {
  Matrix(int64_t rows, int64_t cols, const QuantSpec& spec, unsigned seed = 2)
      : values(rows * cols) {
    auto source = random_values(rows * cols, seed);
    for (float& x : source) x /= std::sqrt(static_cast<float>(cols));
    weight.resize(static_cast<size_t>(rows * spec.weight_bytes(cols)));
    const auto sides = static_cast<size_t>(rows * spec.groups(cols));
    scales.resize(sides * (spec.has_biases() ? 2 : 1));
    biases.resize(spec.has_biases() ? scales.size() : 0);
    quantize_f32(source, cols, spec, ScaleRule::kDefault, {weight, scales, biases}, "test");
    dequantize(weight, scales, biases, cols, spec, values);
    view = {MatrixFormat::kQuantised,
            spec,
            SideDtype::kBF16,
            rows,
            cols,
            weight.data(),
            scales.data(),
            biases.data()};
    if (!spec.has_biases()) view.biases = nullptr;
  }
  /// In BF16.
  Matrix(int64_t rows, int64_t cols) {
    values = random_values(rows * cols, 3);
    for (float& x : values) {
      const uint16_t bits = float_to_bf16(x / std::sqrt(static_cast<float>(cols)));
      x = bf16_to_float(bits);
      weight.insert(weight.end(), {static_cast<uint8_t>(bits), static_cast<uint8_t>(bits >> 8)});
    }
    view.rows = rows;
    view.cols = cols;
    view.weight = weight.data();
  }
  Matrix(const Matrix&) = delete;

  std::vector<float> values;
  std::vector<uint8_t> weight, scales, biases;
  WeightMatrix view;
};

void expect_same(const Tensor& a, const Tensor& b, const std::string& what) {
  ASSERT_EQ(a.rows(), b.rows()) << what;
  ASSERT_EQ(a.cols(), b.cols()) << what;
  for (int64_t r = 0; r < a.rows(); ++r) {
    ASSERT_EQ(std::memcmp(a.row(r), b.row(r), static_cast<size_t>(a.cols()) * 4), 0)
        << what << ", row " << r;
  }
}

using Values = std::vector<double>;  // [rows, cols]

Values widen(const Tensor& t) {
  Values values;
  for (int64_t r = 0; r < t.rows(); ++r) values.insert(values.end(), t.row(r), t.row(r) + t.cols());
  return values;
}

/// x [T, cols] times `rows` rows of m from `first` on, in double.
Values multiply(const Values& x, const Matrix& m, int64_t first, int64_t rows) {
  const int64_t cols = m.view.cols, tokens = std::ssize(x) / cols;
  Values out(static_cast<size_t>(tokens * rows));
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t r = 0; r < rows; ++r) {
      out[t * rows + r] = std::inner_product(x.begin() + t * cols, x.begin() + (t + 1) * cols,
                                             m.values.begin() + (first + r) * cols, 0.0);
    }
  }
  return out;
}

/// gelu_tanh(gate) * up.
Values activate(const Values& gate, const Values& up) {
  Values out(gate.size());
  for (size_t i = 0; i < gate.size(); ++i) {
    const double g = gate[i];
    out[i] = 0.5 * g * (1 + std::tanh(std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g))) * up[i];
  }
  return out;
}

double relative_error(const Tensor& got, const Values& expected) {
  const Values values = widen(got);
  double difference = 0, size = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    difference += std::pow(values[i] - expected[i], 2);
    size += expected[i] * expected[i];
  }
  return std::sqrt(difference / size);
}

/// Results of exact, default and, in prefill, matrix tiles, against double: the default must be the
/// integer products, not f32 again.
void expect_errors(const std::function<Tensor(CpuBackend&)>& operation, const Values& expected) {
  CpuBackend exact({.threads = 2, .exact = true}), fast({.threads = 2});
  exact.set_phase(Phase::kDecode);
  fast.set_phase(Phase::kDecode);
  EXPECT_LE(relative_error(operation(exact), expected), 2e-6);
  const double error = relative_error(operation(fast), expected);
  EXPECT_LE(error, 5e-4);
  EXPECT_GE(error, 1e-5);
  CpuBackend tiles({.threads = 2, .kernels = &emulated_tiles()});  // of the matrices that fit them
  EXPECT_LE(relative_error(operation(tiles), expected), 5e-4);
  CpuBackend exact_tiles({.threads = 2, .exact = true, .kernels = &emulated_tiles()});
  EXPECT_LE(relative_error(operation(exact_tiles), expected), 2e-6);
}

/// Runs `operation(backend, inputs)` with 1, 2 and 3 threads in each arithmetic, on all rows of `x`
/// and on each alone: all must agree.
template <class Operation>
void check_bits(const Tensor& x, const Operation& operation, const std::string& what) {
  for (const bool exact : {false, true}) {
    for (const Kernels* kernels : {static_cast<const Kernels*>(nullptr), &emulated_tiles()}) {
      const auto name = what + (kernels == nullptr ? "" : ", tiles");
      const auto backend = [&](int threads) {
        auto made = std::make_unique<CpuBackend>(
            CpuOptions{.threads = threads, .exact = exact, .kernels = kernels});
        made->set_phase(kernels == nullptr ? Phase::kDecode : Phase::kPrefill);
        return made;
      };
      const auto alone = backend(1);
      const Tensor expected = operation(*alone, x, -1);
      for (const int threads : {2, 3}) {
        expect_same(operation(*backend(threads), x, -1), expected, name + " threads");
      }
      for (int64_t r = 0; r < x.rows(); ++r) {
        if (kernels != nullptr && 2 < r && r < x.rows() - 2) continue;  // emulated is slow
        expect_same(operation(*alone, row_alone(x, r), r), row_alone(expected, r), name + " alone");
      }
    }
  }
}

constexpr int64_t kCols = 704;

TEST(CpuBackendTest, LinearGivesTheSameBitsInAnyCompany) {
  const Matrix a(200, kCols, kMxfp8), b(131, kCols, kAffine4), c(49, kCols), d(16, kCols, kNvfp4);
  const WeightMatrix* const all[] = {&a.view, &b.view, &c.view, &d.view};
  for (const int64_t tokens : {1, 2, 3, 5, 9, 40}) {
    const Tensor x = random_rows(tokens, kCols);
    for (size_t i = 0; i < std::size(all); ++i) {
      const auto one_of_all = [&](CpuBackend& backend, const Tensor& input, int64_t) {
        return std::move(backend.linear(Op::kQkv, input, all)[i]);
      };
      check_bits(x, one_of_all, "matrix " + std::to_string(i));
      // Other matrices beside it do not matter either.
      const WeightMatrix* const single[] = {all[i]};
      for (const Phase phase : {Phase::kPrefill, Phase::kDecode}) {
        CpuBackend backend({.threads = 1, .kernels = &emulated_tiles()});
        backend.set_phase(phase);
        expect_same(backend.linear(Op::kQkv, x, single)[0], one_of_all(backend, x, -1), "single");
      }
    }
  }
}

TEST(CpuBackendTest, LinearIsCloseToDouble) {
  for (const QuantSpec& spec : {kMxfp8, kNvfp4, kAffine4, kAffine6, kAffine8}) {
    const Matrix m(100, kCols, spec);
    const WeightMatrix* const one[] = {&m.view};
    for (const int64_t tokens : {1, 9}) {
      const Tensor x = random_rows(tokens, kCols);
      expect_errors(
          [&](CpuBackend& backend) { return std::move(backend.linear(Op::kQkv, x, one)[0]); },
          multiply(widen(x), m, 0, 100));
    }
  }
}

TEST(CpuBackendTest, TilesAreCloserThanIntegers) {
  CpuBackend tiles({.threads = 2, .kernels = &emulated_tiles()});
  for (const QuantSpec& spec : {kMxfp8, kNvfp4}) {
    const Matrix m(100, kCols, spec);
    const WeightMatrix* const one[] = {&m.view};
    const Tensor x = random_rows(9, kCols);
    const Values expected = multiply(widen(x), m, 0, 100);
    tiles.set_phase(Phase::kPrefill);
    EXPECT_LE(relative_error(tiles.linear(Op::kQkv, x, one)[0], expected), 1e-5);
    tiles.set_phase(Phase::kDecode);
    EXPECT_GE(relative_error(tiles.linear(Op::kQkv, x, one)[0], expected), 2e-5);
  }
}

TEST(CpuBackendTest, DenseMatricesAreAlwaysExact) {
  CpuBackend fast({.threads = 2}), exact({.threads = 2, .exact = true});
  fast.set_phase(Phase::kDecode);
  exact.set_phase(Phase::kDecode);
  const Matrix dense(100, kCols), other(50, kCols, kMxfp8);
  const WeightMatrix* const both[] = {&other.view, &dense.view};
  const Tensor x = random_rows(5, kCols);
  const Tensor y = std::move(fast.linear(Op::kQkv, x, both)[1]);
  expect_same(y, exact.linear(Op::kQkv, x, both)[1], "dense");
  EXPECT_LE(relative_error(y, multiply(widen(x), dense, 0, 100)), 1e-6);
}

struct Mlp {
  Matrix gate{352, kCols, kMxfp8, 4}, up{352, kCols, kAffine6, 5}, down{kCols, 352, kMxfp8, 6};

  Tensor operator()(CpuBackend& backend, const Tensor& x, int64_t = -1) const {
    return backend.gated_mlp(x, gate.view, up.view, down.view);
  }
};

TEST(CpuBackendTest, GatedMlpGivesTheSameBitsInAnyCompany) {
  const Mlp mlp;
  for (const int64_t tokens : {1, 2, 4, 7, 33}) {
    check_bits(random_rows(tokens, kCols), mlp, std::to_string(tokens));
  }
}

TEST(CpuBackendTest, GatedMlpIsCloseToDouble) {
  const Mlp mlp;
  const Tensor x = random_rows(6, kCols);
  const Values active =
      activate(multiply(widen(x), mlp.gate, 0, 352), multiply(widen(x), mlp.up, 0, 352));
  expect_errors([&](CpuBackend& backend) { return mlp(backend, x); },
                multiply(active, mlp.down, 0, kCols));
}

/// Experts whose gate and up matrices lie in one tensor, as in the original checkpoints.
struct Experts {
  static constexpr int64_t kCount = 6, kWidth = 96, kTopK = 2;
  explicit Experts(const QuantSpec& in, const QuantSpec& out)
      : gate_up(kCount * 2 * kWidth, kCols, in, 7), down(kCount * kCols, kWidth, out, 8) {
    bank.gate = {gate_up.view, 2 * kWidth, 0, kWidth};
    bank.up = {gate_up.view, 2 * kWidth, kWidth, kWidth};
    bank.down = {down.view, kCols, 0, kCols};
  }

  /// Two different experts for each token; expert 4 is nobody's, expert 0 everybody's second.
  static Routing routing(int64_t tokens) {
    constexpr int32_t kFirst[] = {3, 1, 5, 2, 3};
    Routing r;
    r.top_k = kTopK;
    for (int64_t t = 0; t < tokens; ++t) {
      r.experts.insert(r.experts.end(), {kFirst[t % std::ssize(kFirst)], 0});
      r.weights.insert(r.weights.end(), {0.9f - 0.01f * static_cast<float>(t), 0.4f});
    }
    return r;
  }

  /// `token` of the batch alone, or all for -1.
  Tensor run(CpuBackend& backend, const Tensor& x, int64_t token) const {
    Routing r = routing(token < 0 ? x.rows() : token + 1);
    if (token >= 0) {
      r.experts.erase(r.experts.begin(), r.experts.end() - kTopK);
      r.weights.erase(r.weights.begin(), r.weights.end() - kTopK);
    }
    return backend.experts(x, r, bank);
  }

  Matrix gate_up, down;
  ExpertBank bank;
};

TEST(CpuBackendTest, ExpertsGiveTheSameBitsInAnyCompany) {
  const Experts experts(kMxfp8, kAffine6);
  for (const int64_t tokens : {1, 2, 5, 40}) {
    check_bits(
        random_rows(tokens, kCols),
        [&](CpuBackend& backend, const Tensor& x, int64_t token) {
          return experts.run(backend, x, token);
        },
        std::to_string(tokens));
  }
}

TEST(CpuBackendTest, ExpertsAreCloseToDouble) {
  const Experts experts(kAffine4, kMxfp8);
  constexpr int64_t kTokens = 9;
  const Tensor x = random_rows(kTokens, kCols);
  const Routing routing = Experts::routing(kTokens);
  Values expected(static_cast<size_t>(kTokens * kCols));
  for (int64_t slot = 0; slot < kTokens * Experts::kTopK; ++slot) {
    const int64_t token = slot / Experts::kTopK, w = Experts::kWidth;
    const int64_t expert = routing.experts[slot];
    const Values in = widen(row_alone(x, token));
    const Values active = activate(multiply(in, experts.gate_up, expert * 2 * w, w),
                                   multiply(in, experts.gate_up, expert * 2 * w + w, w));
    const Values y = multiply(active, experts.down, expert * kCols, kCols);
    for (int64_t i = 0; i < kCols; ++i) {
      expected[token * kCols + i] += routing.weights[slot] * y[i];
    }
  }
  expect_errors([&](CpuBackend& backend) { return experts.run(backend, x, -1); }, expected);
}

TEST(CpuBackendTest, LogitsGiveTheSameBitsInAnyCompany) {
  const Matrix head(1000, kCols, kMxfp8);
  const Vector norm(kCols, 1.5f);
  check_bits(
      random_rows(6, kCols),
      [&](CpuBackend& backend, const Tensor& x, int64_t) {
        std::vector<int64_t> rows(static_cast<size_t>(x.rows()));
        std::iota(rows.begin(), rows.end(), 0);
        std::vector<float> out(rows.size() * 1000);
        backend.logits(x, rows, norm, 1e-6f, head.view, 30.0f, out);
        Tensor result(x.rows(), 1000);
        for (int64_t r = 0; r < x.rows(); ++r) std::copy_n(&out[r * 1000], 1000, result.row(r));
        return result;
      },
      "logits");
}

TEST(CpuBackendTest, LogitsOfWantedRowsAreCloseToDouble) {
  const Matrix head(300, kCols, kAffine8);
  const Vector norm(kCols, 1.5f);
  const Tensor x = random_rows(4, kCols);
  const std::vector<int64_t> rows{1, 3};
  for (const bool exact : {true, false}) {
    CpuBackend backend({.threads = 2, .exact = exact});
    std::vector<float> out(2 * 300);
    backend.logits(x, rows, norm, 1e-6f, head.view, 2.0f, out);
    for (size_t i = 0; i < rows.size(); ++i) {
      Values row = widen(row_alone(x, rows[i]));
      const double mean = std::inner_product(row.begin(), row.end(), row.begin(), 0.0) / kCols;
      for (double& value : row) value *= 1.5 / std::sqrt(mean + 1e-6);
      const Values product = multiply(row, head, 0, 300);
      double worst = 0;
      for (int64_t r = 0; r < 300; ++r) {
        worst = std::max(worst, std::abs(out[i * 300 + r] - 2 * std::tanh(product[r] / 2)));
      }
      EXPECT_LE(worst, exact ? 1e-5 : 3e-3);
    }
  }
}

TEST(CpuBackendTest, RoutingDoesNotDependOnTheMode) {
  const Matrix proj(16, kCols, kAffine8);
  const RouterWeights router{Vector(kCols, 1.0f), proj.view, Vector(16, 1.0f)};
  const Tensor x = random_rows(20, kCols);
  CpuBackend fast({.threads = 1}), exact({.threads = 2, .exact = true});
  const Routing a = fast.route(x, router, 4, 1e-6f), b = exact.route(x, router, 4, 1e-6f);
  EXPECT_EQ(a.experts, b.experts);
  EXPECT_EQ(a.weights, b.weights);
}

TEST(CpuBackendTest, NormsGiveTheSameBitsInAnyCompany) {
  const Tensor x = random_rows(800, kCols);  // enough to wake the threads
  const Vector weight = random_values(kCols, 9);
  CpuBackend one({.threads = 1}), three({.threads = 3});
  const Tensor normed = one.norm(x, weight, 1e-6f);
  const Tensor sum = one.add_norm(x, normed, weight, 1e-6f, 0.5f);
  expect_same(three.norm(x, weight, 1e-6f), normed, "norm");
  expect_same(three.add_norm(x, normed, weight, 1e-6f, 0.5f), sum, "add_norm");
  expect_same(three.add(x, normed), one.add(x, normed), "add");
  expect_same(one.norm(row_alone(x, 70), weight, 1e-6f), row_alone(normed, 70), "alone");
}

TEST(CpuBackendTest, OperationsOfPicturesGiveTheSameBitsInAnyCompany) {
  const Tensor x = random_rows(900, kCols);  // enough to wake the threads
  CpuBackend one({.threads = 1}), three({.threads = 3});
  const auto copy = [](const Tensor& t) {
    Tensor same(t.rows(), t.cols());
    for (int64_t r = 0; r < t.rows(); ++r) std::copy_n(t.row(r), t.cols(), same.row(r));
    return same;
  };
  expect_same(three.clamp(x, -0.5f, 0.7f), one.clamp(x, -0.5f, 0.7f), "clamp");
  expect_same(three.gelu_multiply(copy(x), x), one.gelu_multiply(copy(x), x), "gelu_multiply");
  expect_same(three.pool(x, 30, 3, 2.0f), one.pool(x, 30, 3, 2.0f), "pool");
}

TEST(CpuBackendTest, ClampKeepsWhatIsInsideAndNaN) {
  Tensor x(1, 5);
  const float values[] = {-3.0f, -1.0f, 0.25f, INFINITY, NAN};
  std::copy_n(values, 5, x.row(0));
  const Tensor y = CpuBackend({.threads = 1}).clamp(x, -1.0f, 2.0f);
  EXPECT_EQ(y.row(0)[0], -1.0f);
  EXPECT_EQ(y.row(0)[1], -1.0f);
  EXPECT_EQ(y.row(0)[2], 0.25f);
  EXPECT_EQ(y.row(0)[3], 2.0f);
  EXPECT_TRUE(std::isnan(y.row(0)[4]));
}

TEST(CpuBackendTest, AnEmptyNormWeightIsNone) {
  const Tensor x = random_rows(3, 40);
  CpuBackend backend({.threads = 1});
  expect_same(backend.norm(x, {}, 1e-6f), backend.norm(x, Vector(40, 1.0f), 1e-6f), "no weight");
}

TEST(CpuBackendTest, PoolTakesTheMeanOfEveryCell) {
  constexpr int64_t kColumns = 6, kRows = 4, kWidth = 21;
  const Tensor x = random_rows(kColumns * kRows, kWidth);
  const Tensor y = CpuBackend({.threads = 1}).pool(x, kColumns, 2, 3.0f);
  ASSERT_EQ(y.rows(), 6);
  ASSERT_EQ(y.cols(), kWidth);
  for (int64_t row = 0; row < 2; ++row) {
    for (int64_t column = 0; column < 3; ++column) {
      const int64_t corner = 2 * row * kColumns + 2 * column;
      for (int64_t i = 0; i < kWidth; ++i) {
        double sum = 0;
        for (const int64_t patch : {corner, corner + 1, corner + kColumns, corner + kColumns + 1}) {
          sum += x.row(patch)[i];
        }
        EXPECT_NEAR(y.row(row * 3 + column)[i], 3.0 * sum / 4, 1e-5);
      }
    }
  }
}

TEST(CpuBackendTest, StandardiseSubtractsBeforeItScales) {
  const Tensor x = random_rows(2, 20);
  const Vector bias = random_values(20, 4), scale = random_values(20, 5);
  const Tensor y = CpuBackend({.threads = 1}).standardise(x, bias, scale);
  for (int64_t r = 0; r < 2; ++r) {
    for (int64_t i = 0; i < 20; ++i) {
      EXPECT_NEAR(y.row(r)[i], (double{x.row(r)[i]} - bias[i]) * scale[i], 1e-6);
    }
  }
}

TEST(CpuBackendTest, NormsOfRunsOfColumns) {
  constexpr int64_t kRun = 24;  // no multiple of a vector
  const Tensor x = random_rows(900, 5 * kRun, 3), base = random_rows(900, 5 * kRun, 4);
  const Vector weight = random_values(kRun, 5);
  CpuBackend one({.threads = 1}), three({.threads = 3});
  const Tensor sum = one.add_norm(base, x, weight, 1e-3f, 0.5f);
  expect_same(three.add_norm(base, x, weight, 1e-3f, 0.5f), sum, "threads");
  for (const int64_t row : {0, 77, 899}) {
    for (int64_t i = 0; i < x.cols(); ++i) {
      const float* run = x.row(row) + i / kRun * kRun;
      const double mean = std::inner_product(run, run + kRun, run, 0.0) / kRun;
      const double norm = x.row(row)[i] / std::sqrt(mean + 1e-3) * weight[i % kRun];
      EXPECT_NEAR(sum.row(row)[i], (base.row(row)[i] + norm) * 0.5, 2e-6);
    }
  }
}

TEST(CpuBackendTest, GatesMultiplyColumnsOfAWiderTensor) {
  const Tensor gate = random_rows(700, 40, 3), wide = random_rows(700, 120, 4);
  CpuBackend one({.threads = 1}), three({.threads = 3});
  const auto copy = [&] {
    Tensor t(gate.rows(), gate.cols());
    for (int64_t r = 0; r < gate.rows(); ++r) std::copy_n(gate.row(r), gate.cols(), t.row(r));
    return t;
  };
  const Tensor product = one.gelu_multiply(copy(), wide, 56);
  expect_same(three.gelu_multiply(copy(), wide, 56), product, "threads");
  for (const int64_t row : {0, 350, 699}) {
    for (int64_t i = 0; i < gate.cols(); ++i) {
      const double g = gate.row(row)[i];
      const double gelu =
          0.5 * g * (1 + std::tanh(std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g)));
      EXPECT_NEAR(product.row(row)[i], gelu * wide.row(row)[56 + i], 2e-6);
    }
  }
}

TEST(CpuBackendTest, RowsOfATableAreDecodedAlikeOnAnyThreads) {
  const Matrix table(300, kCols, kAffine4);
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 800; ++i) tokens.push_back(i * 7 % 300);
  CpuBackend one({.threads = 1}), three({.threads = 3});
  const Tensor rows = one.embed(table.view, tokens, 1.5f);
  expect_same(three.embed(table.view, tokens, 1.5f), rows, "threads");
  for (int64_t i = 0; i < kCols; ++i) {
    EXPECT_EQ(rows.row(43)[i], table.values[43 * 7 % 300 * kCols + i] * 1.5f);
  }
}

}  // namespace
}  // namespace octavo
