// kernels: matrix products in integers, for every quantised format: weights
// become integers, products of a group of 32 are summed in 32 bits,
// groups are added in f32 with both scales. Part of body.h: see there.
//
// One output is, whatever the kernel, the sum over r = 0 to 15, in this order, of partial sums over
// the groups g = r, r + 16, r + 32, ...:
//   p = fma(float(isum[g]) * x_scale[g], w_scale[g], p)  and for affine formats
//   p = fma(bias[g], x_sum[g], p)
// so that a vector of 16 groups of one row is worked on as a whole.
#pragma once

#include <cstdint>

#include "kernels/matmul_integer_panels.h"
#include "kernels/matmul_integer_rows.h"

namespace octavo {
namespace {

template <class V, class F>
void matmul_integer_format(const MatrixView& m, int64_t begin, int64_t end, const IntegerRow* x,
                           int64_t tokens, float* const* y, void* scratch) {
  if (tokens > kRowKernelTokens) {
    return integer_panels<V, F>(m, begin, end, x, tokens, y, scratch);
  }
  if (tokens == 3) {  // the third one twice costs less than a kernel of its own
    const IntegerRow four[] = {x[0], x[1], x[2], x[2]};
    float* const out[] = {y[0], y[1], y[2], y[2]};
    return matmul_integer_format<V, F>(m, begin, end, four, 4, out, scratch);
  }
  auto* floats = static_cast<float*>(scratch);
  if (tokens == 4) integer_rows<V, F, 4>(m, begin, end, x, y, floats);
  if (tokens == 2) integer_rows<V, F, 2>(m, begin, end, x, y, floats);
  if (tokens == 1) integer_rows<V, F, 1>(m, begin, end, x, y, floats);
}

template <class V>
void matmul_integer(const MatrixView& m, int64_t begin, int64_t end, const IntegerRow* x,
                    int64_t tokens, float* const* y, void* scratch) {
  switch (m.spec.mode) {
    case QuantMode::kMxfp8:
      return matmul_integer_format<V, IntegerMxfp8<V>>(m, begin, end, x, tokens, y, scratch);
    case QuantMode::kMxfp4:
      return matmul_integer_format<V, IntegerMxfp4<V>>(m, begin, end, x, tokens, y, scratch);
    case QuantMode::kNvfp4:
      return matmul_integer_format<V, IntegerNvfp4<V>>(m, begin, end, x, tokens, y, scratch);
    case QuantMode::kAffine:
      break;
  }
  switch (m.spec.bits) {
    case 2:
      return matmul_integer_format<V, IntegerAffine<V, 2>>(m, begin, end, x, tokens, y, scratch);
    case 3:
      return matmul_integer_format<V, IntegerAffine<V, 3>>(m, begin, end, x, tokens, y, scratch);
    case 4:
      return matmul_integer_format<V, IntegerAffine<V, 4>>(m, begin, end, x, tokens, y, scratch);
    case 5:
      return matmul_integer_format<V, IntegerAffine<V, 5>>(m, begin, end, x, tokens, y, scratch);
    case 6:
      return matmul_integer_format<V, IntegerAffine<V, 6>>(m, begin, end, x, tokens, y, scratch);
    default:
      return matmul_integer_format<V, IntegerAffine<V, 8>>(m, begin, end, x, tokens, y, scratch);
  }
}

}  // namespace
}  // namespace octavo
