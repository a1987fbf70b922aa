#include "model/weight_binder.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/fail.h"
#include "checkpoint/quantised_layout.h"
#include "numerics/bfloat16.h"

namespace octavo {
namespace {

const uint8_t* bytes_of(const TensorView& tensor) {
  return reinterpret_cast<const uint8_t*>(tensor.bytes.data());
}

std::string shape_text(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

void require_shape(const TensorView& tensor, std::span<const int64_t> shape) {
  if (std::ranges::equal(tensor.shape, shape)) return;
  fail(ErrorCode::kBadFile, "tensor '{}': shape {} where the config asks for {}", tensor.name,
       shape_text(tensor.shape), shape_text(shape));
}

float element(const TensorView& tensor, int64_t index) {
  const std::byte* data = tensor.bytes.data();
  uint16_t half;
  switch (tensor.dtype) {
    case Dtype::kF32: {
      float value;
      std::memcpy(&value, data + 4 * index, 4);
      return value;
    }
    case Dtype::kBF16:
      std::memcpy(&half, data + 2 * index, 2);
      return bf16_to_float(half);
    case Dtype::kF16: {
      MatrixView one;
      one.format = MatrixFormat::kF16;
      one.rows = one.cols = 1;
      one.weight = reinterpret_cast<const uint8_t*>(data + 2 * index);
      float lanes[kLanes];
      kernels().decode_row(one, 0, 1.0f, lanes, nullptr);
      return lanes[0];
    }
    default:
      break;
  }
  fail(ErrorCode::kBadFile, "tensor '{}': dtype {} where BF16, F16 or F32 is expected", tensor.name,
       to_string(tensor.dtype));
}

MatrixFormat dense_format(const TensorView& weight) {
  switch (weight.dtype) {
    case Dtype::kBF16:
      return MatrixFormat::kBF16;
    case Dtype::kF16:
      return MatrixFormat::kF16;
    case Dtype::kF32:
      return MatrixFormat::kF32;
    default:
      break;
  }
  fail(ErrorCode::kBadFile, "tensor '{}': dtype {} without scales; expected BF16, F16 or F32",
       weight.name, to_string(weight.dtype));
}

SideDtype side_dtype(const TensorView& scales) {
  switch (scales.dtype) {
    case Dtype::kBF16:
      return SideDtype::kBF16;
    case Dtype::kF16:
      return SideDtype::kF16;
    case Dtype::kF32:
      return SideDtype::kF32;
    default:
      break;
  }
  fail(ErrorCode::kBadFile, "tensor '{}': dtype {} for affine scales; expected BF16, F16 or F32",
       scales.name, to_string(scales.dtype));
}

/// quant_spec_of() has checked weight, scales and biases against each other; this checks that
/// they hold the matrix which the config asks for.
void require_quantised_shape(const TensorView& weight, std::span<const int64_t> shape,
                             const QuantSpec& spec) {
  std::vector<int64_t> packed(shape.begin(), shape.end());
  if (packed.back() % spec.group_size != 0) {
    fail(ErrorCode::kBadFile, "tensor '{}': width {} is not divisible by its group size {}",
         weight.name, packed.back(), spec.group_size);
  }
  packed.back() = spec.weight_bytes(packed.back()) / 4;
  require_shape(weight, packed);
}

}  // namespace

Vector WeightBinder::vector(const std::string& name, int64_t size) const {
  const TensorView& tensor = get(name);
  require_shape(tensor, std::array{size});
  Vector values(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) values[i] = element(tensor, i);
  return values;
}

float WeightBinder::scalar(const std::string& name) const {
  const TensorView& tensor = get(name);
  if (!tensor.shape.empty()) require_shape(tensor, std::array{int64_t{1}});
  return element(tensor, 0);
}

WeightMatrix WeightBinder::matrix(const std::string& module, int64_t rows, int64_t cols) const {
  return bind(module, module + ".weight", std::array{rows, cols});
}

WeightMatrix WeightBinder::stack(const std::string& module, int64_t count, int64_t rows,
                                 int64_t cols) const {
  const std::string name = has(module + ".weight") ? module + ".weight" : module;
  WeightMatrix all = bind(module, name, std::array{count, rows, cols});
  all.rows = count * rows;
  return all;
}

WeightMatrix WeightBinder::bind(const std::string& module, const std::string& name,
                                std::span<const int64_t> shape) const {
  const TensorView& weight = get(name);
  WeightMatrix m;
  m.rows = shape[shape.size() - 2];
  m.cols = shape.back();
  m.weight = bytes_of(weight);
  const auto spec = quant_spec_of(checkpoint_, config_, prefix_ + module, shape.back());
  if (!spec) {
    require_shape(weight, shape);
    m.format = dense_format(weight);
    return m;
  }
  m.format = MatrixFormat::kQuantised;
  m.spec = *spec;
  require_quantised_shape(weight, shape, *spec);
  const TensorView& scales = get(module + ".scales");
  m.scales = bytes_of(scales);
  if (spec->has_biases()) {
    m.biases = bytes_of(get(module + ".biases"));
    m.side = side_dtype(scales);
  }
  return m;
}

}  // namespace octavo
