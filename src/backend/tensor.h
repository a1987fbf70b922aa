// backend: activations: f32 rows, each padded with zeros to a multiple of 16.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/panel_sizes.h"

namespace octavo {

/// Memory for activations. What is given back is kept for the next one of its size: a decoded token
/// asks the system for nothing and touches no fresh page.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_class_(other.size_class_) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_class_, other.size_class_);
    return *this;
  }

  void* data() const { return data_; }  // aligned to 64 bytes

 private:
  void* data_ = nullptr;
  int size_class_ = 0;
};

/// [rows, cols] of f32, owned; movable, not copyable (copies of activations are never wanted).
class Tensor {
 public:
  Tensor() = default;
  Tensor(int64_t rows, int64_t cols)
      : rows_(rows),
        cols_(cols),
        stride_(rows > 1 ? stride_of(padded(cols)) : padded(cols)),
        buffer_(static_cast<size_t>(rows * stride_) * sizeof(float)) {
    for (int64_t r = 0; r < rows; ++r) std::fill(row(r) + cols, row(r) + padded(cols), 0.0f);
  }

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  int64_t stride() const { return stride_; }  // floats from one row to the next
  float* row(int64_t r) { return static_cast<float*>(buffer_.data()) + r * stride_; }
  const float* row(int64_t r) const {
    return static_cast<const float*>(buffer_.data()) + r * stride_;
  }

 private:
  int64_t rows_ = 0, cols_ = 0, stride_ = 0;
  Buffer buffer_;
};

/// A norm weight or another small vector, as f32.
using Vector = std::vector<float>;

}  // namespace octavo
