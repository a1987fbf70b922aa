#include "backend/kv_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "kernels/kernels.h"

namespace octavo {

uint64_t KvShape::bytes_read(int64_t position) const {
  int64_t total = 0;
  for (const KvLayerShape& layer : layers) {
    const int64_t seen = layer.window > 0 ? std::min(layer.window, position + 1) : position + 1;
    const int64_t bytes = seen * layer.kv_heads * KvLayout{format, layer.head_dim}.head_bytes();
    total += layer.readers * bytes / kKvBlock;
  }
  return static_cast<uint64_t>(total);
}

KvCache::KvCache(std::shared_ptr<const KvShape> shape)
    : shape_(std::move(shape)),
      pool_(std::make_shared<BlockPool>()),
      layers_(shape_->layers.size()) {}

int64_t KvCache::block_bytes(int64_t layer) const {
  return shape_->layers[layer].kv_heads * shape_->layout(layer).head_bytes();
}

void KvCache::prepare_block(int64_t layer, int64_t index) {
  Layer& state = layers_[layer];
  if (index == std::ssize(state.blocks)) {
    state.blocks.emplace_back();
    state.pointers.push_back(nullptr);
  }
  Block& block = state.blocks[index];
  if (block && block.use_count() == 1) return;
  const auto size = static_cast<size_t>(block_bytes(layer));
  Block fresh = pool_->take(size);
  if (block) std::memcpy(fresh.get(), block.get(), size);
  block = std::move(fresh);
  state.pointers[index] = block.get();
}

void KvCache::reserve(int64_t count) {
  const int64_t first = length_ / kBlockTokens;
  const int64_t last = (length_ + count - 1) / kBlockTokens;
  for (int64_t layer = 0; layer < std::ssize(layers_); ++layer) {
    for (int64_t index = first; index <= last; ++index) prepare_block(layer, index);
  }
}

void KvCache::commit(int64_t count) {
  length_ += count;
  for (int64_t layer = 0; layer < std::ssize(layers_); ++layer) expire(layer);
}

void KvCache::expire(int64_t layer) {
  const int64_t window = shape_->layers[layer].window;
  if (window == 0) return;
  Layer& state = layers_[layer];
  // The next query sees positions from length - window + 1 on; one more block stays as slack.
  const int64_t needed = std::max<int64_t>(0, length_ - window + 1) / kBlockTokens - 1;
  for (; state.first_kept < needed; ++state.first_kept) {
    state.blocks[state.first_kept].reset();
    state.pointers[state.first_kept] = nullptr;
  }
}

void KvCache::fill_for_bench(int64_t count) {
  const int64_t end = length_ + count;
  std::vector<float> key, value;
  uint32_t state = 0x9e3779b9;
  const auto randomise = [&state](std::vector<float>& row) {
    for (float& x : row) {
      state ^= state << 13, state ^= state >> 17, state ^= state << 5;
      // Random sign and mantissa, the exponent of 0.5.
      x = std::bit_cast<float>((state & 0x807fffff) | 0x3f000000);
    }
  };
  while (length_ < end) {
    const int64_t step = std::min(kBlockTokens - length_ % kBlockTokens, end - length_);
    reserve(step);
    for (int64_t i = 0; i < std::ssize(layers_); ++i) {
      const KvLayerShape& layer = shape_->layers[i];
      // Nobody will see what the window has left behind by the end.
      if (layer.window > 0 && length_ + step + layer.window + 2 * kBlockTokens < end) continue;
      key.resize(static_cast<size_t>(layer.head_dim));
      value.resize(key.size());
      for (int64_t item = 0; item < layer.kv_heads * step; ++item) {
        const int64_t position = length_ + item % step;
        randomise(key);
        randomise(value);
        kernels().write_kv(shape_->layout(i), position % kBlockTokens, key.data(), value.data(),
                           head(i, item / step, position));
      }
    }
    commit(step);
  }
}

bool KvCache::can_truncate(int64_t length) const {
  for (size_t i = 0; i < layers_.size(); ++i) {
    const int64_t window = shape_->layers[i].window;
    if (window == 0) continue;
    const int64_t oldest = std::max<int64_t>(0, length - window + 1);
    if (oldest < layers_[i].first_kept * kBlockTokens) return false;
  }
  return length <= length_;
}

void KvCache::truncate(int64_t length) {
  length_ = length;
  const auto blocks = static_cast<size_t>((length + kBlockTokens - 1) / kBlockTokens);
  for (Layer& layer : layers_) {
    layer.blocks.resize(std::min(layer.blocks.size(), blocks));
    layer.pointers.resize(layer.blocks.size());
    layer.first_kept = std::min<int64_t>(layer.first_kept, std::ssize(layer.blocks));
  }
}

std::byte* KvCache::head(int64_t layer, int64_t head, int64_t position) {
  return layers_[layer].blocks[position / kBlockTokens].get() +
         head * shape_->layout(layer).head_bytes();
}

KvView KvCache::view(int64_t layer, int64_t head) const {
  const KvLayout layout = shape_->layout(layer);
  return {layers_[layer].pointers.data(), head * layout.head_bytes(), layout};
}

uint64_t KvCache::bytes() const {
  uint64_t total = 0;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const auto held = layers_[i].blocks.size() - static_cast<size_t>(layers_[i].first_kept);
    total += held * static_cast<uint64_t>(block_bytes(static_cast<int64_t>(i)));
  }
  return total;
}

}  // namespace octavo
