// backend: keys and values of one sequence, in reference-counted blocks: share, rewind, expire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/kernels.h"

namespace octavo {

struct KvLayerShape {
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t window = 0;  // positions a query sees, itself included; 0 = all
};

struct KvShape {
  std::vector<KvLayerShape> layers;
  bool bf16 = true;  // else f32

  /// Keys and values, in bytes, that a query at `position` sees, its own included.
  uint64_t bytes_read(int64_t position) const;
};

/// Copying is a fork: both copies share their blocks, and a shared block is copied before it is
/// written. Blocks that have left a sliding layer's window (plus one block of slack, so that a
/// short rewind stays possible) are let go.
class KvCache {
 public:
  static constexpr int64_t kBlockTokens = 64;

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

  /// First element of a reserved, uncommitted position.
  std::byte* key(int64_t layer, int64_t head, int64_t position);
  std::byte* value(int64_t layer, int64_t head, int64_t position);
  KvView keys(int64_t layer, int64_t head) const;
  KvView values(int64_t layer, int64_t head) const;

  const KvShape& shape() const { return *shape_; }
  /// Bytes of the blocks this cache refers to; shared blocks count in every sharer.
  uint64_t bytes() const;

 private:
  using Block = std::shared_ptr<std::byte[]>;

  // [keys of head 0, keys of head 1, …, values of head 0, …], kBlockTokens positions each.
  struct Layer {
    std::vector<Block> blocks;               // null once expired
    std::vector<const std::byte*> pointers;  // the same, for kernels
    int64_t first_kept = 0;                  // blocks below are null
  };

  int64_t head_bytes(int64_t layer) const;
  int64_t block_bytes(int64_t layer) const;
  void prepare_block(int64_t layer, int64_t index);
  void expire(int64_t layer);

  std::shared_ptr<const KvShape> shape_;
  std::vector<Layer> layers_;
  int64_t length_ = 0;
};

}  // namespace octavo
