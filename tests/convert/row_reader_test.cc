#include "convert/row_reader.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/fail.h"
#include "convert/float_cast.h"

namespace octavo::convert {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// What reading a whole tensor of `values`, stored as `from`, into `to` complains about.
std::string complaint(const std::string& name, std::vector<int64_t> shape,
                      const std::vector<float>& values, Dtype from, Dtype to,
                      Reorder reorder = Reorder::kNone) {
  std::vector<std::byte> bytes(values.size() * dtype_size(from));
  from_floats(values, from, bytes, name);
  const TensorView view{name, from, shape, bytes};
  PlannedTensor planned;
  planned.dtype = to;
  planned.tensor.reorder = reorder;
  if (reorder == Reorder::kChannelsLast) {
    std::rotate(shape.begin() + 1, shape.begin() + 2, shape.end());
  }
  planned.tensor.shape = shape;
  const RowReader reader(view, planned, nullptr);
  std::vector<std::byte> out(static_cast<size_t>(reader.rows()) * reader.row_bytes());
  try {
    reader.read(0, reader.rows(), out);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadFile);
    return error.what();
  }
  return "";
}

TEST(RowReader, InfAndNaNNameTensorAndElementInEveryDtype) {
  for (Dtype from : {Dtype::kBF16, Dtype::kF16, Dtype::kF32}) {
    for (Dtype to : {Dtype::kBF16, Dtype::kF16, Dtype::kF32}) {
      for (float bad : {kInfinity, -kInfinity, std::nanf("")}) {
        std::vector<float> values(3 * 600, 1.5f);
        EXPECT_EQ(complaint("a.norm", {3, 600}, values, from, to), "");
        values[2 * 600 + 599] = bad;
        values[600 + 401] = bad;
        EXPECT_EQ(
            complaint("a.norm", {3, 600}, values, from, to),
            fmt::format("tensor a.norm: element [1, 401] is {}, expected a finite number", bad));
      }
    }
  }
}

TEST(RowReader, LargestFiniteNumbersPass) {
  EXPECT_EQ(complaint("a", {2}, {65504.f, -65504.f}, Dtype::kF16, Dtype::kBF16), "");
  EXPECT_EQ(complaint("a", {1}, {0x1.fep127f}, Dtype::kBF16, Dtype::kF32), "");
  EXPECT_EQ(complaint("a", {1}, {0x1.fep127f}, Dtype::kF32, Dtype::kBF16), "");
}

TEST(RowReader, ValuesThatTheCastTurnsIntoInfAreRefused) {
  EXPECT_EQ(complaint("a", {2}, {1.f, 3.4e38f}, Dtype::kF32, Dtype::kBF16),
            "tensor a: element [1] is too large for BF16");
  EXPECT_NE(complaint("a", {2}, {1.f, 70000.f}, Dtype::kBF16, Dtype::kF16), "");
}

TEST(RowReader, ElementsAreCountedInTheSourceEvenWhereAxesMove) {
  std::vector<float> values(2 * 3 * 4, 1.f);
  values[(1 * 3 + 2) * 4 + 1] = kInfinity;
  EXPECT_EQ(
      complaint("conv", {2, 3, 4}, values, Dtype::kBF16, Dtype::kBF16, Reorder::kChannelsLast),
      "tensor conv: element [1, 2, 1] is inf, expected a finite number");
}

TEST(RowReader, OnlyClampLimitsMayBeInfinite) {
  EXPECT_EQ(complaint("v.q_proj.input_max", {}, {kInfinity}, Dtype::kBF16, Dtype::kBF16), "");
  EXPECT_EQ(complaint("v.q_proj.input_max", {}, {-kInfinity}, Dtype::kBF16, Dtype::kF16), "");
  EXPECT_NE(complaint("v.q_proj.input_max", {}, {std::nanf("")}, Dtype::kBF16, Dtype::kBF16), "");
  EXPECT_NE(complaint("layer_scalar", {}, {kInfinity}, Dtype::kBF16, Dtype::kBF16), "");
}

}  // namespace
}  // namespace octavo::convert
