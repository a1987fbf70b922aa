// The vision tower: any number of threads gives the same bits, every patch counts, and pictures
// that do not fit are refused. That its numbers are right is shown in tests/parity/test_vision.py.
#include "model/vision_tower.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "backend/cpu/cpu_backend.h"
#include "octavo/error.h"

namespace octavo {
namespace {

VisionConfig small_config() {
  VisionConfig c;
  c.hidden_size = 40;
  c.intermediate_size = 56;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 12;
  c.patch_size = 2;
  c.position_embedding_size = 48;
  c.pooling_kernel_size = 3;
  c.standardize = true;
  return c;
}

/// Random F32 weights with memory of their own.
class Tower {
 public:
  Tower() {
    weights.input_proj = matrix(config.hidden_size, 3 * config.patch_size * config.patch_size);
    weights.position_table = matrix(2 * config.position_embedding_size, config.hidden_size);
    const int64_t q = config.num_attention_heads * config.head_dim;
    const int64_t kv = config.num_key_value_heads * config.head_dim;
    for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
      VisionLayerWeights& w = weights.layers.emplace_back();
      for (Vector* norm : {&w.input_layernorm, &w.post_attention_layernorm,
                           &w.pre_feedforward_layernorm, &w.post_feedforward_layernorm}) {
        *norm = Vector(static_cast<size_t>(config.hidden_size), 0.8f);
      }
      w.q_norm = w.k_norm = Vector(static_cast<size_t>(config.head_dim), 0.7f);
      w.q_proj.weight = matrix(q, config.hidden_size);
      w.k_proj.weight = matrix(kv, config.hidden_size);
      w.v_proj.weight = matrix(kv, config.hidden_size);
      w.o_proj.weight = matrix(config.hidden_size, q);
      w.gate_proj.weight = matrix(config.intermediate_size, config.hidden_size);
      w.up_proj.weight = matrix(config.intermediate_size, config.hidden_size);
      w.down_proj.weight = matrix(config.hidden_size, config.intermediate_size);
    }
    weights.std_bias = Vector(static_cast<size_t>(config.hidden_size), 0.1f);
    weights.std_scale = Vector(static_cast<size_t>(config.hidden_size), 0.9f);
    weights.projection = matrix(kTextHidden, config.hidden_size);
  }

  static constexpr int64_t kTextHidden = 24;
  VisionConfig config = small_config();
  VisionWeights weights;

 private:
  WeightMatrix matrix(int64_t rows, int64_t cols) {
    std::vector<float>& values = memory_.emplace_back(static_cast<size_t>(rows * cols));
    std::normal_distribution<float> normal(0.0f, 1.0f / std::sqrt(static_cast<float>(cols)));
    for (float& x : values) x = normal(rng_);
    WeightMatrix m;
    m.format = MatrixFormat::kF32;
    m.rows = rows;
    m.cols = cols;
    m.weight = reinterpret_cast<const uint8_t*>(values.data());
    return m;
  }

  std::vector<std::vector<float>> memory_;
  std::mt19937 rng_{7};
};

ImagePatches random_patches(int64_t columns, int64_t rows, int64_t size = 2) {
  ImagePatches patches{columns, rows, size, {}};
  std::mt19937 rng(3);
  patches.values.resize(static_cast<size_t>(columns * rows * size * size * 3));
  for (uint8_t& value : patches.values) value = static_cast<uint8_t>(rng());
  return patches;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.rows() != b.rows() || a.cols() != b.cols()) return false;
  for (int64_t r = 0; r < a.rows(); ++r) {
    if (std::memcmp(a.row(r), b.row(r), static_cast<size_t>(a.cols()) * 4) != 0) return false;
  }
  return true;
}

TEST(VisionTower, ThreadsDoNotChangeABit) {
  const Tower tower;
  const ImagePatches patches = random_patches(48, 42);  // several parts of the feed-forward
  CpuBackend one({.threads = 1}), three({.threads = 3});
  const Tensor tokens = vision_tower(one, tower.config, tower.weights, patches);
  EXPECT_EQ(tokens.rows(), 16 * 14);
  EXPECT_EQ(tokens.cols(), Tower::kTextHidden);
  EXPECT_TRUE(same_bits(vision_tower(three, tower.config, tower.weights, patches), tokens));
  EXPECT_TRUE(same_bits(vision_tower(one, tower.config, tower.weights, patches), tokens))
      << "again";
}

TEST(VisionTower, EveryPatchReachesEveryToken) {
  const Tower tower;
  CpuBackend backend({.threads = 2});
  ImagePatches patches = random_patches(30, 27);
  const Tensor before = vision_tower(backend, tower.config, tower.weights, patches);
  for (const size_t value : {size_t{0}, patches.values.size() / 2, patches.values.size() - 1}) {
    ImagePatches changed = patches;
    changed.values[value] ^= 0x80;
    const Tensor after = vision_tower(backend, tower.config, tower.weights, changed);
    for (int64_t r = 0; r < before.rows(); ++r) {
      EXPECT_NE(std::memcmp(before.row(r), after.row(r), Tower::kTextHidden * 4), 0)
          << "value " << value << " token " << r;
    }
  }
}

TEST(VisionTower, InfiniteBoundsClipNothing) {
  Tower tower;
  CpuBackend backend({.threads = 1});
  const ImagePatches patches = random_patches(6, 9);
  const Tensor plain = vision_tower(backend, tower.config, tower.weights, patches);
  const auto clip_all = [&](float bound) {
    for (VisionLayerWeights& w : tower.weights.layers) {
      for (VisionLinear* linear :
           {&w.q_proj, &w.k_proj, &w.v_proj, &w.o_proj, &w.gate_proj, &w.up_proj, &w.down_proj}) {
        linear->clip = {-bound, bound, -bound, bound};
      }
    }
    return vision_tower(backend, tower.config, tower.weights, patches);
  };
  EXPECT_TRUE(same_bits(clip_all(INFINITY), plain));
  EXPECT_FALSE(same_bits(clip_all(0.5f), plain));
}

TEST(VisionTower, CanBeCancelled) {
  const Tower tower;
  CpuBackend backend({.threads = 1});
  std::atomic<bool> cancelled = false;
  const auto encode = [&] {
    return vision_tower(backend, tower.config, tower.weights, random_patches(3, 3), &cancelled);
  };
  EXPECT_NO_THROW(encode());
  cancelled = true;
  try {
    encode();
    ADD_FAILURE() << "not cancelled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

TEST(VisionTower, RefusesWhatDoesNotFit) {
  const Tower tower;
  CpuBackend backend({.threads = 1});
  const auto code = [&](const ImagePatches& patches) {
    try {
      vision_tower(backend, tower.config, tower.weights, patches);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kIo;
  };
  EXPECT_EQ(code(random_patches(0, 3)), ErrorCode::kBadRequest);
  EXPECT_EQ(code(random_patches(3, 4)), ErrorCode::kBadRequest) << "no multiple of a cell";
  EXPECT_EQ(code(random_patches(51, 3)), ErrorCode::kBadRequest) << "more than the position table";
  EXPECT_EQ(code(random_patches(3, 3, 3)), ErrorCode::kBadRequest) << "another patch size";
  ImagePatches short_one = random_patches(3, 3);
  short_one.values.pop_back();
  EXPECT_EQ(code(short_one), ErrorCode::kBadRequest);
  EXPECT_NO_THROW(vision_tower(backend, tower.config, tower.weights, random_patches(3, 3)));
}

}  // namespace
}  // namespace octavo
