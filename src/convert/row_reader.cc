#include "convert/row_reader.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/fail.h"
#include "convert/float_cast.h"
#include "convert/names.h"

namespace octavo::convert {
namespace {

/// [out, in, spatial…] to [out, spatial…, in].
std::vector<std::byte> channels_last(const TensorView& view) {
  const size_t size = dtype_size(view.dtype);
  const auto out = static_cast<size_t>(view.shape[0]), in = static_cast<size_t>(view.shape[1]);
  size_t spatial = 1;
  for (size_t axis = 2; axis < view.shape.size(); ++axis) {
    spatial *= static_cast<size_t>(view.shape[axis]);
  }
  std::vector<std::byte> result(view.bytes.size());
  for (size_t o = 0; o < out; ++o) {
    for (size_t i = 0; i < in; ++i) {
      for (size_t s = 0; s < spatial; ++s) {
        std::memcpy(result.data() + ((o * spatial + s) * in + i) * size,
                    view.bytes.data() + ((o * in + i) * spatial + s) * size, size);
      }
    }
  }
  return result;
}

}  // namespace

RowReader::RowReader(const TensorView& view, const PlannedTensor& planned,
                     const TensorScaling* scaling)
    : view_(view), planned_(planned), scaling_(scaling), bytes_(view.bytes), dtype_(planned.dtype) {
  if (planned.tensor.reorder == Reorder::kChannelsLast) {
    reordered_ = channels_last(view);
    bytes_ = reordered_;
  }
  const std::vector<int64_t>& shape = planned.tensor.shape;
  width_ = shape.empty() ? 1 : shape.back();
  rows_ = 1;
  for (size_t axis = 0; axis + 1 < shape.size(); ++axis) rows_ *= shape[axis];
  rows_per_matrix_ = shape.size() >= 3 ? shape[shape.size() - 2] : rows_;
}

std::span<const std::byte> RowReader::source_row(int64_t row) const {
  if (planned_.tensor.part != Part::kWhole) {
    // [E, I, H] out of [E, 2I, H]
    const int64_t matrix = row / rows_per_matrix_, within = row % rows_per_matrix_;
    row = 2 * matrix * rows_per_matrix_ + within;
    if (planned_.tensor.part == Part::kSecondHalf) row += rows_per_matrix_;
  }
  const size_t size = static_cast<size_t>(width_) * dtype_size(view_.dtype);
  return bytes_.subspan(static_cast<size_t>(row) * size, size);
}

void RowReader::read(int64_t begin, int64_t end, std::span<std::byte> out) const {
  std::vector<float> values;
  for (int64_t row = begin; row < end; ++row) {
    const auto source = source_row(row);
    const auto target = out.subspan(static_cast<size_t>(row - begin) * row_bytes(), row_bytes());
    check_finite(source);
    if (!scaling_ && view_.dtype == dtype_) {
      std::memcpy(target.data(), source.data(), source.size());
      continue;
    }
    values.resize(static_cast<size_t>(width_));
    cast_row(source, values, target);
    if (scaling_) scale_row(row, values, target);
  }
}

void RowReader::check_finite(std::span<const std::byte> source) const {
  const auto bad = first_non_finite(source, view_.dtype);
  if (!bad) return;
  const size_t size = dtype_size(view_.dtype);
  const auto at = source.subspan(*bad * size, size);
  float value;
  to_floats(at, view_.dtype, std::span(&value, 1), view_.name);
  if (std::isinf(value) && is_clamp_limit(view_.name)) return;  // a scalar: no limit
  fail(ErrorCode::kBadFile, "tensor {}: element {} is {}, expected a finite number",
       printable(view_.name), element(at.data()), value);
}

void RowReader::cast_row(std::span<const std::byte> source, std::span<float> values,
                         std::span<std::byte> out) const {
  to_floats(source, view_.dtype, values, view_.name);
  from_floats(values, dtype_, out, view_.name);
  const auto bad = first_non_finite(out, dtype_);
  if (!bad || is_clamp_limit(view_.name)) return;
  fail(ErrorCode::kBadFile, "tensor {}: element {} is too large for {}", printable(view_.name),
       element(source.data() + *bad * dtype_size(view_.dtype)), to_string(dtype_));
}

/// The place of an element in the source tensor: "[3, 17]".
std::string RowReader::element(const std::byte* at) const {
  auto rest = (at - bytes_.data()) / static_cast<int64_t>(dtype_size(view_.dtype));
  const std::vector<int64_t>& shape = reordered_.empty() ? view_.shape : planned_.tensor.shape;
  std::vector<int64_t> index(shape.size());
  for (size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = rest % shape[axis];
    rest /= shape[axis];
  }
  if (!reordered_.empty()) std::rotate(index.begin() + 1, index.end() - 1, index.end());
  return to_string(index);
}

void RowReader::scale_row(int64_t row, std::span<float> values, std::span<std::byte> out) const {
  const int row_exponent = scaling_->rows.empty() ? 0 : scaling_->rows[static_cast<size_t>(row)];
  const int8_t* columns = nullptr;
  if (!scaling_->columns.empty()) {
    const bool per_matrix = scaling_->columns.size() > values.size();
    columns = scaling_->columns.data() +
              (per_matrix ? static_cast<size_t>(row / rows_per_matrix_) * values.size() : 0);
  }
  to_floats(out, dtype_, values, view_.name);  // the cast comes first, as without scaling
  std::vector<float> scaled(values.size());
  for (size_t j = 0; j < values.size(); ++j) {
    scaled[j] = std::ldexp(values[j], row_exponent + (columns ? columns[j] : 0));
  }
  from_floats(scaled, dtype_, out, view_.name);
  to_floats(out, dtype_, scaled, view_.name);
  uint64_t lost = 0;
  for (size_t j = 0; j < values.size(); ++j) {
    if (std::isinf(scaled[j])) {
      fail(ErrorCode::kBadFile, "tensor {}: {} overflows {} when scaled; give --awq off",
           view_.name, values[j], to_string(dtype_));
    }
    lost += std::ldexp(scaled[j], -(row_exponent + (columns ? columns[j] : 0))) != values[j];
  }
  if (lost > 0) inexact_ += lost;
}

}  // namespace octavo::convert
