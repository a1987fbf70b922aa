// synth: from which distribution the values of a tensor come.
#pragma once

#include <cstdint>
#include <string_view>

namespace octavo::synth {

/// Of a vector: uniform in [low, high). Of a matrix: normal with `deviation`.
struct Uniform {
  double low, high;
};

/// `name` as convert writes it. Norms and scales away from 0 and 1, so that each of them matters,
/// and the residual stream neither grows nor dies.
Uniform vector_values(std::string_view name);

/// For rows of `width` values. A forward pass then keeps its scale, routes to every expert, and
/// ends in logits with a deviation of about 6.
double matrix_deviation(std::string_view name, int64_t width);

}  // namespace octavo::synth
