// Bounds of a tower's clipped matrices. What else is bound is shown in tests/parity.
#include "model/vision_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "../temp_folder.h"
#include "checkpoint/write_safetensors.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr int64_t kSize = 4;  // of every side
const std::string kMatrix = "vision_tower.encoder.layers.0.self_attn.q_proj";

struct Bounds {
  float input_min = -1, input_max = 1, output_min = -INFINITY, output_max = INFINITY;
};

ModelConfig config() {
  ModelConfig config;
  config.vision.emplace();
  VisionConfig& vision = *config.vision;
  vision.hidden_size = vision.head_dim = kSize;
  vision.num_attention_heads = vision.num_key_value_heads = vision.num_hidden_layers = 1;
  vision.patch_size = vision.position_embedding_size = 1;
  vision.use_clipped_linears = true;
  return config;
}

/// Binds a tower that ends behind its first clipped matrix. Returns what is wrong with it.
std::string refusal(const Bounds& bounds) {
  const TempFolder folder;
  folder.write("config.json", "{}");
  const std::vector<float> values(kSize * kSize, 0.5f);
  std::vector<std::pair<TensorPlan, std::span<const std::byte>>> tensors;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape, const float* data) {
    size_t count = 1;
    for (const int64_t size : shape) count *= static_cast<size_t>(size);
    tensors.push_back(
        {{name, Dtype::kF32, std::move(shape)}, std::as_bytes(std::span(data, count))});
  };
  add("vision_tower.patch_embedder.input_proj.weight", {kSize, 3}, values.data());
  add("vision_tower.patch_embedder.position_embedding_table", {2, 1, kSize}, values.data());
  for (const char* norm : {"input_layernorm", "post_attention_layernorm",
                           "pre_feedforward_layernorm", "post_feedforward_layernorm"}) {
    add(std::string("vision_tower.encoder.layers.0.") + norm + ".weight", {kSize}, values.data());
  }
  add(kMatrix + ".linear.weight", {kSize, kSize}, values.data());
  add(kMatrix + ".input_min", {}, &bounds.input_min);
  add(kMatrix + ".input_max", {}, &bounds.input_max);
  add(kMatrix + ".output_min", {}, &bounds.output_min);
  add(kMatrix + ".output_max", {}, &bounds.output_max);
  write_safetensors_file(folder / "model.safetensors", tensors);
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  try {
    bind_vision_weights(checkpoint, config());
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadFile);
    return error.what();
  }
  return "none";
}

TEST(VisionWeights, BoundsAreInOrder) {
  using testing::HasSubstr;
  EXPECT_THAT(refusal({}), HasSubstr("k_proj")) << "the next matrix, which is missing";
  EXPECT_THAT(refusal({.input_min = 1}), HasSubstr("k_proj")) << "equal";
  EXPECT_THAT(refusal({.input_min = 2}),
              HasSubstr("tensor '" + kMatrix + ".input_min': 2 where at most 1 is expected"));
  EXPECT_THAT(refusal({.output_min = 3, .output_max = 2}), HasSubstr(kMatrix + ".output_min"));
  for (const Bounds& bounds : {Bounds{.input_min = NAN}, Bounds{.input_max = NAN}}) {
    EXPECT_THAT(refusal(bounds), HasSubstr(kMatrix + ".input_min"));
  }
}

}  // namespace
}  // namespace octavo
