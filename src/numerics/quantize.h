// numerics: scalar reference encoder and decoder of every mode; bytes exactly as stored in the
// file.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "numerics/quant_spec.h"

namespace octavo {

/// How group scales are chosen (spec: formats; `--q-scale`).
enum class ScaleRule {
  kDefault,    // mxfp8 rounds up; mxfp4 the better of up and up-1; affine codes from rounded
               // scale/bias
  kCompat,     // the old Metal rule: nearest exponent; affine as Metal computes it
  kCompatCpu,  // MLX's CPU backend, 0.32.2 to 0.32.4: the same bytes for BF16 weights (exceptions,
               // none of which a model has: mx groups below 448 * 2^-127, nvfp4 above 2^14)
};

/// What encoding cost; sums over elements, so that results of many rows can be added.
struct QuantError {
  double squared_error = 0;   // sum of (w - decoded)^2
  double squared_weight = 0;  // sum of w^2
  uint64_t elements = 0;
  uint64_t groups = 0;
  /// Groups with an element beyond what the largest code stands for: for float modes a magnitude
  /// above largest element * scale, for affine more than half a step outside the codes.
  uint64_t clipped_groups = 0;
  QuantError& operator+=(const QuantError& other);
};

/// Where the encoded rows go. Sizes for n rows of `in` elements: weight n*spec.weight_bytes(in);
/// scales n*groups(in) bytes for float modes, n*groups(in) BF16 values (2 bytes each) for affine;
/// biases the same as scales for affine, empty otherwise.
struct QuantizedRows {
  std::span<uint8_t> weight;
  std::span<uint8_t> scales;
  std::span<uint8_t> biases;
};

/// Encodes BF16 weights [rows, in] (row-major). Throws kBadFile naming `tensor` and the first bad
/// element if a weight is Inf or NaN, or the group if a weight is 2^126 or more. Deterministic; no
/// state.
QuantError quantize_bf16(std::span<const uint16_t> weights, int64_t in, const QuantSpec& spec,
                         ScaleRule rule, const QuantizedRows& out, std::string_view tensor);

/// The same for f32 weights; side arrays of affine are still BF16.
QuantError quantize_f32(std::span<const float> weights, int64_t in, const QuantSpec& spec,
                        ScaleRule rule, const QuantizedRows& out, std::string_view tensor);

/// Decodes rows to f32, bit-exact with `mx.dequantize(..., dtype=float32)` on float32 side arrays.
void dequantize(std::span<const uint8_t> weight, std::span<const uint8_t> scales,
                std::span<const uint8_t> biases, int64_t in, const QuantSpec& spec,
                std::span<float> out);

}  // namespace octavo
