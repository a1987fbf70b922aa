// backend: keys and values of one sequence, in reference-counted blocks: share, rewind, expire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "backend/block_pool.h"
#include "kernels/attention.h"

namespace octavo {

struct KvLayerShape {
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t window = 0;   // positions a query sees, itself included; 0 = all
  int64_t readers = 1;  // layers of the model that attend to these keys and values
};

struct KvShape {
  std::vector<KvLayerShape> layers;
  KvFormat format = KvFormat::kBF16;

  KvLayout layout(int64_t layer) const { return {format, layers[layer].head_dim}; }
  /// Keys and values, in bytes, that a token at `position` reads, its own included: once for every
  /// reader.
  uint64_t bytes_read(int64_t position) const;
};

/// Copying is a fork: both copies share their blocks, and a shared block is copied before it is
/// written. Blocks that have left a sliding layer's window (plus one block of slack, so that a
/// short rewind stays possible) are let go; what a cache and its forks let go serves them again.
class KvCache {
 public:
  static constexpr int64_t kBlockTokens = kKvBlock;

  explicit KvCache(std::shared_ptr<const KvShape> shape);

  int64_t length() const { return length_; }

  /// Makes room for positions [length, length + count) in every layer; length stays.
  void reserve(int64_t count);
  /// The `count` reserved positions are written now; lets go of blocks that no later query can see.
  void commit(int64_t count);

  /// Appends `count` positions of arbitrary finite keys and values, for benchmarks that are about
  /// depth and not about text.
  void fill_for_bench(int64_t count);

  /// True if every sliding layer still holds what a query at position `length` sees.
  bool can_truncate(int64_t length) const;
  /// Forgets positions from `length` on. Requires can_truncate(length).
  void truncate(int64_t length);

  /// The part of a head in the block of a reserved, uncommitted position, to be written there.
  std::byte* head(int64_t layer, int64_t head, int64_t position);
  KvView view(int64_t layer, int64_t head) const;

  const KvShape& shape() const { return *shape_; }
  /// Bytes of the blocks this cache refers to; shared blocks count in every sharer.
  uint64_t bytes() const;

 private:
  struct Layer {
    std::vector<Block> blocks;               // all heads side by side; null once expired
    std::vector<const std::byte*> pointers;  // the same, for kernels
    int64_t first_kept = 0;                  // blocks below are null
  };

  int64_t block_bytes(int64_t layer) const;
  void prepare_block(int64_t layer, int64_t index);
  void expire(int64_t layer);

  std::shared_ptr<const KvShape> shape_;
  std::shared_ptr<BlockPool> pool_;
  std::vector<Layer> layers_;
  int64_t length_ = 0;
};

}  // namespace octavo
