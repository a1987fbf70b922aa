// model: what a forward pass of a Gemma 4 model costs, counted from its shapes.
#pragma once

#include "model/gemma4_weights.h"
#include "model/language_model.h"

namespace octavo {

ModelWork work_of(const Gemma4Weights& weights, const TextConfig& text);

/// Multiply-adds of attention for the tokens at positions [begin, end).
uint64_t attention_macs_of(const TextConfig& text, int64_t begin, int64_t end);

}  // namespace octavo
