// model: the vision tower: patches of a picture in, soft tokens for the text model out.
#pragma once

#include <atomic>

#include "backend/backend.h"
#include "checkpoint/model_config.h"
#include "image/patches.h"
#include "model/vision_weights.h"

namespace octavo {

/// How the tower wants pictures of at most `max_soft_tokens`.
PatchOptions patch_options(const VisionConfig& config, int64_t max_soft_tokens);

/// The soft tokens of a picture: [patches / pooling^2, text hidden size]. Throws kBadRequest for
/// patches that do not fit the tower, and kCancelled when `cancelled`, which is polled between
/// layers, becomes set.
Tensor vision_tower(Backend& backend, const VisionConfig& config, const VisionWeights& weights,
                    const ImagePatches& patches, const std::atomic<bool>* cancelled = nullptr);

}  // namespace octavo
