// base: arithmetic on sizes that come from outside. Overflow is an error, never a wrap.
#pragma once

#include <cstdint>
#include <span>

#include "base/fail.h"

namespace octavo {

inline uint64_t checked_add(uint64_t a, uint64_t b, std::string_view what) {
  uint64_t result;
  if (__builtin_add_overflow(a, b, &result)) {
    fail(ErrorCode::kBadFile, "{}: size overflows 64 bits", what);
  }
  return result;
}

inline uint64_t checked_mul(uint64_t a, uint64_t b, std::string_view what) {
  uint64_t result;
  if (__builtin_mul_overflow(a, b, &result)) {
    fail(ErrorCode::kBadFile, "{}: size overflows 64 bits", what);
  }
  return result;
}

/// Product of all dimensions of a shape; 1 for rank 0.
inline uint64_t checked_product(std::span<const int64_t> shape, std::string_view what) {
  uint64_t product = 1;
  for (int64_t dim : shape) {
    if (dim < 0) fail(ErrorCode::kBadFile, "{}: negative dimension {}", what, dim);
    product = checked_mul(product, static_cast<uint64_t>(dim), what);
  }
  return product;
}

}  // namespace octavo
