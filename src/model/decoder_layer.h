// model: one decoder layer.
#pragma once

#include "backend/backend.h"
#include "model/gemma4_weights.h"

namespace octavo {

/// What a layer needs beside its weights.
struct LayerContext {
  Backend& backend;
  const TextConfig& text;
  int64_t index;
  const RopeTable& rope;  // of this layer's frequencies
  std::span<const AttentionSegment> segments;
  std::span<const TokenRun> pictures;  // whose tokens see all of it in sliding layers
};

/// The residual stream [T, hidden] after the layer.
Tensor decoder_layer(const LayerContext& context, const LayerWeights& weights, Tensor h);

}  // namespace octavo
