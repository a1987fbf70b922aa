#include "convert/row_reader.h"

#include <cmath>
#include <cstring>

#include "base/fail.h"
#include "convert/float_cast.h"

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
    if (!scaling_ && view_.dtype == dtype_) {
      std::memcpy(target.data(), source.data(), source.size());
      continue;
    }
    values.resize(static_cast<size_t>(width_));
    to_floats(source, view_.dtype, values, view_.name);
    if (scaling_) {
      scale_row(row, values, target);
    } else {
      from_floats(values, dtype_, target, view_.name);
    }
  }
}

void RowReader::scale_row(int64_t row, std::span<float> values, std::span<std::byte> out) const {
  const int row_exponent = scaling_->rows.empty() ? 0 : scaling_->rows[static_cast<size_t>(row)];
  const int8_t* columns = nullptr;
  if (!scaling_->columns.empty()) {
    const bool per_matrix = scaling_->columns.size() > values.size();
    columns = scaling_->columns.data() +
              (per_matrix ? static_cast<size_t>(row / rows_per_matrix_) * values.size() : 0);
  }
  from_floats(values, dtype_, out, view_.name);  // the cast comes first, as without scaling
  to_floats(out, dtype_, values, view_.name);
  std::vector<float> scaled(values.size());
  for (size_t j = 0; j < values.size(); ++j) {
    scaled[j] = std::ldexp(values[j], row_exponent + (columns ? columns[j] : 0));
  }
  from_floats(scaled, dtype_, out, view_.name);
  to_floats(out, dtype_, scaled, view_.name);
  uint64_t lost = 0;
  for (size_t j = 0; j < values.size(); ++j) {
    if (std::isinf(scaled[j]) && !std::isinf(values[j])) {
      fail(ErrorCode::kBadFile, "tensor {}: {} overflows {} when scaled; give --awq off",
           view_.name, values[j], to_string(dtype_));
    }
    lost += std::ldexp(scaled[j], -(row_exponent + (columns ? columns[j] : 0))) != values[j] &&
            !std::isnan(values[j]);
  }
  if (lost > 0) inexact_ += lost;
}

}  // namespace octavo::convert
