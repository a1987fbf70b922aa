// model: the per-layer inputs of the E models: small embeddings that every layer takes up by
// itself.
#pragma once

#include "backend/backend.h"
#include "model/gemma4_weights.h"

namespace octavo {

/// (table[token] * table_scale + norm(projection h0 / sqrt(hidden))) / sqrt(2): [T, layers * P],
/// the norm over the P columns of each layer. `tokens` has the padding token in the place of
/// pictures; `h0` is the scaled embedding of the tokens with the pictures in it.
Tensor per_layer_inputs(Backend& backend, const PerLayerInputWeights& weights,
                        std::span<const int32_t> tokens, const Tensor& h0, float table_scale,
                        float eps);

}  // namespace octavo
