// backend: activations: f32 rows, each padded with zeros to a multiple of 16.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/kernels.h"

namespace octavo {

/// [rows, cols] of f32, owned; movable, not copyable (copies of activations are never wanted).
class Tensor {
 public:
  Tensor() = default;
  Tensor(int64_t rows, int64_t cols)
      : rows_(rows),
        cols_(cols),
        stride_(padded(cols)),
        data_(std::make_unique_for_overwrite<float[]>(static_cast<size_t>(rows * stride_))) {
    for (int64_t r = 0; r < rows; ++r) std::fill(row(r) + cols, row(r) + stride_, 0.0f);
  }

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  float* row(int64_t r) { return data_.get() + r * stride_; }
  const float* row(int64_t r) const { return data_.get() + r * stride_; }

 private:
  int64_t rows_ = 0, cols_ = 0, stride_ = 0;
  std::unique_ptr<float[]> data_;
};

/// A norm weight or another small vector, as f32.
using Vector = std::vector<float>;

}  // namespace octavo
