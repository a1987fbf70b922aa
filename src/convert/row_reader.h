// convert: a source tensor as rows of the output tensor: picked from a fused stack, cast, scaled.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "convert/awq.h"
#include "convert/plan.h"

namespace octavo::convert {

/// Rows run along all axes but the last; a vector is one row. Reading is thread-safe.
class RowReader {
 public:
  /// `scaling` may be null. The view must outlive the reader.
  RowReader(const TensorView& view, const PlannedTensor& planned, const TensorScaling* scaling);

  int64_t rows() const { return rows_; }
  int64_t width() const { return width_; }
  size_t row_bytes() const { return static_cast<size_t>(width_) * dtype_size(dtype_); }

  /// Rows [begin, end) in the planned dtype. Throws kBadFile naming tensor and element for Inf, NaN
  /// and values that do not fit; clamp limits alone may be infinite.
  void read(int64_t begin, int64_t end, std::span<std::byte> out) const;

  /// The bytes of the source that row `row` comes from.
  std::span<const std::byte> source_row(int64_t row) const;

  /// Values that a scale pushed below the smallest normal number, so that bits were lost.
  uint64_t inexact() const { return inexact_.load(); }

 private:
  void check_finite(std::span<const std::byte> source) const;
  void cast_row(std::span<const std::byte> source, std::span<float> values,
                std::span<std::byte> out) const;
  std::string element(const std::byte* at) const;
  void scale_row(int64_t row, std::span<float> values, std::span<std::byte> out) const;

  const TensorView& view_;
  const PlannedTensor& planned_;
  const TensorScaling* scaling_;
  std::vector<std::byte> reordered_;  // the whole tensor, where its axes had to be swapped
  std::span<const std::byte> bytes_;
  Dtype dtype_;  // of the output
  int64_t width_, rows_, rows_per_matrix_;
  mutable std::atomic<uint64_t> inexact_ = 0;
};

}  // namespace octavo::convert
