// Matrices of every format in storage form, with the values they stand for, and inputs for them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "guarded_buffer.h"
#include "kernels/kernels.h"

namespace octavo {

/// A matrix of random values, each part in a guarded buffer at an odd address.
struct Sample {
  MatrixView view;
  std::unique_ptr<GuardedBuffer> weight, scales, biases;
  std::vector<float> values;  // [rows, cols]
};

/// Weight, scales and biases as they are given; `values` stays empty.
Sample stored_sample(const QuantSpec& spec, int64_t rows, int64_t cols, SideDtype side,
                     std::span<const uint8_t> weight, std::span<const uint8_t> scales,
                     std::span<const uint8_t> biases);
Sample quantised_sample(const QuantSpec& spec, int64_t rows, int64_t cols, SideDtype side);
Sample dense_sample(MatrixFormat format, int64_t rows, int64_t cols);

using Rows = std::vector<std::vector<float>>;

/// Normal values, each row padded with zeros to a multiple of 16.
Rows random_inputs(int64_t tokens, int64_t cols);

/// Every quantised format, and as text: "affine 4/64".
std::vector<QuantSpec> quantised_formats();
std::string name_of(const QuantSpec& spec);

/// The value of a code of E4M3 in products: the NaN codes, which encoders never write, are read as
/// the next number.
float read_e4m3(int code);

/// Side values as stored: BF16 ones in another type. Every one must be exact in it.
std::vector<uint8_t> convert_sides(std::span<const uint8_t> bf16, SideDtype side);
float side_value(const uint8_t* sides, SideDtype side, int64_t index);

/// Rows of integers, each in a guarded buffer.
struct IntegerInputs {
  IntegerInputs(const Kernels& k, const Rows& inputs, int64_t cols);
  std::vector<std::unique_ptr<GuardedBuffer>> memory;
  std::vector<IntegerRow> rows;
};

/// Place of element i among the codes of a row.
inline int64_t code_place(const Kernels& k, int64_t i) {
  return i / 64 * 64 + k.code_place(static_cast<int>(i % 64));
}

/// k.matmul_integer of rows [begin, end), with scratch that ends at an inaccessible page. Outputs
/// outside the range are NaN; fails the test if anything is written past them.
Rows multiply_integer(const Kernels& k, const MatrixView& m, std::span<const IntegerRow> x,
                      int64_t begin, int64_t end);

}  // namespace octavo
