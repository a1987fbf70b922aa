// convert: numbers of one dtype to another, a row at a time, from bytes at any address.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "checkpoint/tensor_view.h"

namespace octavo::convert {

/// Throws kUnsupported naming `tensor` for dtypes that are not BF16, F16, F32 or F64.
void to_floats(std::span<const std::byte> source, Dtype dtype, std::span<float> out,
               std::string_view tensor);

/// Rounds to nearest even into `dtype` (BF16, F16 or F32). Throws kBadFile naming `tensor` for a
/// finite value that F16 cannot hold.
void from_floats(std::span<const float> values, Dtype dtype, std::span<std::byte> out,
                 std::string_view tensor);

/// The index of the first Inf or NaN. Dtypes other than BF16, F16, F32 and F64 have none.
std::optional<size_t> first_non_finite(std::span<const std::byte> source, Dtype dtype);

}  // namespace octavo::convert
