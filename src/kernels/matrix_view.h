// kernels: a weight matrix as it lies in the file.
#pragma once

#include <cstdint>

#include "numerics/quant_spec.h"

namespace octavo {

enum class MatrixFormat { kF32, kF16, kBF16, kQuantised };
enum class SideDtype { kBF16, kF16, kF32 };  // of affine scales and biases

/// Rows [rows, cols], row-major, at any byte address. Does not own its memory.
struct MatrixView {
  MatrixFormat format = MatrixFormat::kBF16;
  QuantSpec spec;  // if quantised
  SideDtype side = SideDtype::kBF16;
  int64_t rows = 0;
  int64_t cols = 0;
  const uint8_t* weight = nullptr;
  const uint8_t* scales = nullptr;
  const uint8_t* biases = nullptr;

  int64_t weight_row_bytes() const {
    if (format == MatrixFormat::kQuantised) return spec.weight_bytes(cols);
    return cols * (format == MatrixFormat::kF32 ? 4 : 2);
  }
  int64_t side_row_bytes() const {
    if (format != MatrixFormat::kQuantised) return 0;
    const int64_t size = spec.mode != QuantMode::kAffine ? 1 : side == SideDtype::kF32 ? 4 : 2;
    return spec.groups(cols) * size;
  }
  /// Scales of one row; 0 if not quantised.
  int64_t groups() const { return format == MatrixFormat::kQuantised ? spec.groups(cols) : 0; }
  int64_t bytes() const {
    return rows * (weight_row_bytes() + side_row_bytes() * (biases != nullptr ? 2 : 1));
  }

  /// Whether each weight, its scale included, is exactly one BF16 number (8 significant bits).
  bool fits_tiles() const {
    return format == MatrixFormat::kBF16 ||
           (format == MatrixFormat::kQuantised && spec.mode != QuantMode::kAffine);
  }

  /// The same matrix from row `first` on, `count` rows.
  MatrixView slice(int64_t first, int64_t count) const {
    MatrixView part = *this;
    part.rows = count;
    part.weight += first * weight_row_bytes();
    if (scales != nullptr) part.scales += first * side_row_bytes();
    if (biases != nullptr) part.biases += first * side_row_bytes();
    return part;
  }
};

}  // namespace octavo
