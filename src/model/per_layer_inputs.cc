#include "model/per_layer_inputs.h"

#include <numbers>

namespace octavo {

Tensor per_layer_inputs(Backend& backend, const PerLayerInputWeights& w,
                        std::span<const int32_t> tokens, const Tensor& h0, float table_scale,
                        float eps) {
  constexpr float kHalfRoot = 1 / std::numbers::sqrt2_v<float>;
  const Tensor own = backend.embed(w.table, tokens, table_scale);
  const WeightMatrix* projection[] = {&w.model_projection};
  const std::vector<Tensor> projected = backend.linear(Op::kPerLayer, h0, projection);
  // norm(x / sqrt(hidden)) is norm(x) with an eps that is larger by the factor hidden.
  const float wider_eps = eps * static_cast<float>(h0.cols());
  return backend.add_norm(own, projected[0], w.projection_norm, wider_eps, kHalfRoot);
}

}  // namespace octavo
