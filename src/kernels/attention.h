// kernels: how keys and values lie in memory, and the arguments of the attention kernels.
//
// The keys and values of one head are stored in blocks of 64 positions, each laid out as two
// matrices in panels of 16 columns, so that one loop multiplies both: the keys [head_dim x 64
// positions] for the scores, the values [64 positions x head_dim] for their weighted sum.
//
// The result of one query is defined by positions alone: every score is a sum of chains of 128
// multiply-adds over the head dimension; keys are taken block by block in ascending order, with the
// running maximum and sum of an online softmax; spans of 1024 keys start afresh and are merged in
// ascending order. So any tile of queries, any batch and any split over threads give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo {

enum class KvFormat : uint8_t { kF32, kBF16, kInt8 };

inline constexpr int64_t kKvBlock = 64;
inline constexpr int64_t kKvSpan = 1024;
inline constexpr int64_t kKvPanel = 16;

/// One head's part of a block: keys [4 panels of 16 positions][head_dim][16], values
/// [panels of 16 dimensions][64 positions][16]; for kInt8 then the f32 scales of the keys and of
/// the values, [groups of 32 dimensions][64 positions] each.
struct KvLayout {
  static constexpr int64_t kScaleGroup = 32;

  KvFormat format;
  int64_t head_dim;  // multiple of 16

  [[gnu::always_inline]] constexpr int64_t element_bytes() const {
    return format == KvFormat::kF32 ? 4 : format == KvFormat::kBF16 ? 2 : 1;
  }
  [[gnu::always_inline]] constexpr int64_t plane_bytes() const {
    return kKvBlock * head_dim * element_bytes();
  }
  [[gnu::always_inline]] constexpr int64_t scale_groups() const {
    return format == KvFormat::kInt8 ? (head_dim + kScaleGroup - 1) / kScaleGroup : 0;
  }
  [[gnu::always_inline]] constexpr int64_t scale_bytes() const {
    return scale_groups() * kKvBlock * 4;
  }
  [[gnu::always_inline]] constexpr int64_t head_bytes() const {
    return 2 * (plane_bytes() + scale_bytes());
  }

  /// Index of dimension `dim` of the position at `slot` of its block, in elements of its plane.
  [[gnu::always_inline]] constexpr int64_t key_index(int64_t slot, int64_t dim) const {
    return (slot / kKvPanel * head_dim + dim) * kKvPanel + slot % kKvPanel;
  }
  [[gnu::always_inline]] static constexpr int64_t value_index(int64_t slot, int64_t dim) {
    return (dim / kKvPanel * kKvBlock + slot) * kKvPanel + dim % kKvPanel;
  }
};

/// Keys and values of one head of a sequence.
struct KvView {
  const std::byte* const* blocks;  // one pointer per block; null where nothing is held any more
  int64_t offset;                  // bytes from a block's start to this head's part
  KvLayout layout;
};

/// Consecutive positions of one sequence against one KV head, `group` queries each: row
/// i * group + g is query head g of position first_position + i.
struct AttentionTile {
  const float* queries;  // rows of query_stride floats
  int64_t query_stride;
  int64_t group, positions;
  int64_t first_position;
  int64_t window;  // past keys a query sees, its own position included; 0 = all before it
  KvView kv;
  float* out;  // [positions] of out_stride floats, each [group, head_dim]
  int64_t out_stride;
  int64_t seen_ahead = 0;  // later keys below this position are seen too: the rest of a picture

  [[gnu::always_inline]] int64_t rows() const { return group * positions; }
  /// The keys that the query at `position` sees: from begin() to below end().
  int64_t begin(int64_t position) const {
    return window > 0 && position >= window ? position - window + 1 : 0;
  }
  int64_t end(int64_t position) const {
    return position + 1 < seen_ahead ? seen_ahead : position + 1;
  }
  [[gnu::always_inline]] int64_t last_position() const { return first_position + positions - 1; }
  /// The spans that hold keys of any query of the tile.
  int64_t first_span() const { return begin(first_position) / kKvSpan; }
  int64_t last_span() const { return (end(last_position()) - 1) / kKvSpan; }
};

/// Queries of a tile that reuse what is read of the cache well and still fit the caches.
inline constexpr int64_t kTileQueries = 64;

/// What `attention_span` leaves of one row and one span: head_dim sums of values, 16 partial sums
/// of probabilities and the largest score.
inline constexpr int64_t partial_stride(int64_t head_dim) {
  return head_dim + 32;
}

/// Floats from the scores of one row to those of the next. Not a power of two: rows then do not
/// compete for the same lines of the cache.
inline constexpr int64_t kScoreStride = kKvBlock + 16;

}  // namespace octavo
