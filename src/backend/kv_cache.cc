#include "backend/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace octavo {

uint64_t KvShape::bytes_read(int64_t position) const {
  int64_t total = 0;
  for (const KvLayerShape& layer : layers) {
    const int64_t seen = layer.window > 0 ? std::min(layer.window, position + 1) : position + 1;
    total += seen * 2 * layer.kv_heads * layer.head_dim * (bf16 ? 2 : 4);
  }
  return static_cast<uint64_t>(total);
}

KvCache::KvCache(std::shared_ptr<const KvShape> shape)
    : shape_(std::move(shape)), layers_(shape_->layers.size()) {}

int64_t KvCache::head_bytes(int64_t layer) const {
  return kBlockTokens * shape_->layers[layer].head_dim * (shape_->bf16 ? 2 : 4);
}

int64_t KvCache::block_bytes(int64_t layer) const {
  return 2 * shape_->layers[layer].kv_heads * head_bytes(layer);
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
  Block fresh = std::make_shared_for_overwrite<std::byte[]>(size);
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
  // Random sign and mantissa, the exponent of 0.5.
  const uint64_t keep = shape_->bf16 ? 0x807f807f807f807f : 0x807fffff807fffff;
  const uint64_t set = shape_->bf16 ? 0x3f003f003f003f00 : 0x3f0000003f000000;
  const int64_t end = length_ + count;
  uint64_t state = 0x9e3779b97f4a7c15;
  while (length_ < end) {
    const int64_t step = std::min(kBlockTokens - length_ % kBlockTokens, end - length_);
    reserve(step);
    for (int64_t i = 0; i < std::ssize(layers_); ++i) {
      const KvLayerShape& layer = shape_->layers[i];
      // Nobody will see what the window has left behind by the end.
      if (layer.window > 0 && length_ + step + layer.window + 2 * kBlockTokens < end) continue;
      const int64_t words = step * layer.head_dim * (shape_->bf16 ? 2 : 4) / 8;
      for (int64_t head = 0; head < 2 * layer.kv_heads; ++head) {
        std::byte* out = key(i, head, length_);  // the values' heads follow the keys'
        for (int64_t w = 0; w < words; ++w) {
          state ^= state << 13, state ^= state >> 7, state ^= state << 17;
          const uint64_t word = (state & keep) | set;
          std::memcpy(out + 8 * w, &word, 8);
        }
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

std::byte* KvCache::key(int64_t layer, int64_t head, int64_t position) {
  const int64_t row = shape_->layers[layer].head_dim * (shape_->bf16 ? 2 : 4);
  return layers_[layer].blocks[position / kBlockTokens].get() + head * head_bytes(layer) +
         position % kBlockTokens * row;
}

std::byte* KvCache::value(int64_t layer, int64_t head, int64_t position) {
  return key(layer, shape_->layers[layer].kv_heads + head, position);
}

KvView KvCache::keys(int64_t layer, int64_t head) const {
  return {layers_[layer].pointers.data(), head * head_bytes(layer), kBlockTokens, shape_->bf16};
}

KvView KvCache::values(int64_t layer, int64_t head) const {
  return keys(layer, shape_->layers[layer].kv_heads + head);
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
