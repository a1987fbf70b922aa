// Attention on the CPU: keys and values are stored first, for all tokens; then tiles of queries
// that share a KV head are attended to, or single spans of keys where there are few tiles. The
// results are the same bits either way (kernels/attention.h).
#include <algorithm>

#include "backend/cpu/cpu_backend.h"

namespace octavo {
namespace {

struct TokenPlace {
  KvCache* cache;
  int64_t position;
};

/// A tile's partial results of one span.
struct SpanItem {
  size_t tile;
  int64_t span;
  int64_t partial;  // index of its first float
};

/// Kept between calls: decoding allocates nothing.
struct Work {
  std::vector<TokenPlace> tokens;
  std::vector<AttentionTile> tiles;
  std::vector<SpanItem> spans;
  std::vector<float> queries;
  std::vector<float> partials;
};

template <class T>
T* room_for(std::vector<T>& v, int64_t n) {
  if (std::ssize(v) < n) v.resize(static_cast<size_t>(n));
  return v.data();
}

/// Rows are not a power of two apart: they would compete for the same lines of the cache.
int64_t query_stride(int64_t head_dim) {
  return padded(head_dim) + kLanes;
}

void list_tokens(std::span<const AttentionSegment> segments, std::vector<TokenPlace>& tokens) {
  tokens.clear();
  for (const AttentionSegment& segment : segments) {
    for (int64_t i = 0; i < segment.count; ++i) {
      tokens.push_back({segment.cache, segment.cache->length() + i});
    }
  }
}

/// The tokens of a segment, by their index in it, that see alike up to the one before `end`: those
/// of one picture, or text from the last picture on.
struct Stretch {
  int64_t begin;
  int64_t picture_end;  // 0: text
};

Stretch stretch_before(int64_t end, const AttentionSegment& segment,
                       std::span<const TokenRun> pictures) {
  const auto next =
      std::ranges::lower_bound(pictures, segment.first_token + end, {}, &TokenRun::first_token);
  if (next == pictures.begin()) return {0, 0};
  const TokenRun& run = *(next - 1);
  const int64_t run_begin = run.first_token - segment.first_token;
  const int64_t run_end = run_begin + run.count;
  if (run_end >= end) return {run_begin, run_end};
  return {std::max<int64_t>(run_end, 0), 0};  // it may lie in an earlier segment
}

/// Later positions see more keys: the longest tiles come first, so that the threads end together.
void list_tiles(const AttentionParams& p, std::span<const AttentionSegment> segments,
                const float* queries, Tensor& out, std::vector<AttentionTile>& tiles) {
  tiles.clear();
  const int64_t group = p.heads / p.kv_heads, stride = query_stride(p.head_dim);
  const int64_t most = std::max<int64_t>(1, kTileQueries / group);
  for (const AttentionSegment& segment : segments) {
    const int64_t length = segment.cache->length();
    for (int64_t end = segment.count; end > 0;) {
      const Stretch stretch = stretch_before(end, segment, p.pictures);
      const int64_t begin = std::max(stretch.begin, (end - 1) / most * most);
      const int64_t token = segment.first_token + begin;
      for (int64_t h = 0; h < p.kv_heads; ++h) {
        tiles.push_back({.queries = queries + (h * out.rows() + token) * group * stride,
                         .query_stride = stride,
                         .group = group,
                         .positions = end - begin,
                         .first_position = length + begin,
                         .window = p.window,
                         .kv = segment.cache->view(p.layer, h),
                         .out = out.row(token) + h * group * padded(p.head_dim),
                         .out_stride = out.stride(),
                         .seen_ahead = stretch.picture_end > 0 ? length + stretch.picture_end : 0});
      }
      end = begin;
    }
  }
}

/// Returns the floats that the partial results need.
int64_t list_spans(const std::vector<AttentionTile>& tiles, std::vector<SpanItem>& spans) {
  spans.clear();
  int64_t floats = 0;
  for (size_t i = 0; i < tiles.size(); ++i) {
    const AttentionTile& tile = tiles[i];
    for (int64_t span = tile.first_span(); span <= tile.last_span(); ++span) {
      spans.push_back({i, span, floats});
      floats += tile.rows() * partial_stride(tile.kv.layout.head_dim);
    }
  }
  return floats;
}

/// Multiply-adds of a tile, roughly.
int64_t work_of(const AttentionTile& tile) {
  const int64_t last = tile.last_position();
  return tile.rows() * (tile.end(last) - tile.begin(last)) * tile.kv.layout.head_dim * 2;
}

void attend_tile(const Kernels& k, const AttentionTile& tile) {
  const int64_t partial = tile.rows() * partial_stride(tile.kv.layout.head_dim);
  const int64_t scores = tile.rows() * kScoreStride;
  float* scratch = thread_scratch(partial + scores + 2 * tile.rows());
  for (int64_t span = tile.first_span(); span <= tile.last_span(); ++span) {
    k.attention_span(tile, span, scratch, scratch + partial);
    k.attention_merge(tile, span, scratch, scratch + partial + scores);
  }
}

void attend_spans(ThreadPool& pool, const Kernels& k, Work& work) {
  const std::vector<AttentionTile>& tiles = work.tiles;
  const std::vector<SpanItem>& spans = work.spans;
  float* partials = room_for(work.partials, list_spans(tiles, work.spans));
  pool.parallel_items(spans.size(), [&](size_t i, int) {
    const AttentionTile& tile = tiles[spans[i].tile];
    float* scores = thread_scratch(tile.rows() * kScoreStride);
    k.attention_span(tile, spans[i].span, partials + spans[i].partial, scores);
  });
  for (const SpanItem& item : spans) {
    const AttentionTile& tile = tiles[item.tile];
    float* state = thread_scratch(2 * tile.rows());  // stays as it is from span to span
    k.attention_merge(tile, item.span, partials + item.partial, state);
  }
}

void attend(ThreadPool& pool, const Kernels& k, Work& work) {
  const std::vector<AttentionTile>& tiles = work.tiles;
  int64_t total = 0;
  for (const AttentionTile& tile : tiles) total += work_of(tile);
  if (total < kWorthThreads || pool.size() == 1) {
    for (const AttentionTile& tile : tiles) attend_tile(k, tile);
  } else if (std::ssize(tiles) < 4 * pool.size()) {
    attend_spans(pool, k, work);
  } else {
    pool.parallel_items(tiles.size(), [&](size_t i, int) { attend_tile(k, tiles[i]); });
  }
}

}  // namespace

Tensor CpuBackend::attention(const AttentionParams& p, const Tensor& q, const Tensor& k,
                             const Tensor& v, const RopeTable& rope,
                             std::span<const AttentionSegment> segments) {
  const ProfileScope scope(profile_, Op::kAttention);
  thread_local Work work;
  const int64_t dim = p.head_dim, wide = padded(dim), group = p.heads / p.kv_heads;
  const int64_t stride = query_stride(dim);
  list_tokens(segments, work.tokens);
  float* queries = room_for(work.queries, q.rows() * p.heads * stride);
  const TokenPlace* tokens = work.tokens.data();

  // norm and rope of one head; the tail of a padded head is zero
  const auto turned = [&](const float* x, const Vector& weight, int64_t t, float* out) {
    kernels_.rms_norm(x, weight.data(), p.eps, 1.0f, dim, out);
    const int64_t half = dim / 2 / p.rope_axes;
    for (int64_t axis = 0; axis < p.rope_axes; ++axis) {
      kernels_.rotate(out + axis * 2 * half, rope.cos.row(t) + axis * half,
                      rope.sin.row(t) + axis * half, half);
    }
    std::fill(out + dim, out + wide, 0.0f);
  };
  for_range(q.rows(), 1, q.cols() * 8, [&](int64_t begin, int64_t end) {
    float* key = thread_scratch(2 * wide);
    float* value = key + wide;
    for (int64_t t = begin; t < end; ++t) {
      const auto [cache, position] = tokens[t];
      const KvLayout layout = cache->shape().layout(p.layer);
      for (int64_t h = 0; h < p.heads; ++h) {
        turned(q.row(t) + h * dim, p.q_norm, t,
               queries + ((h / group * q.rows() + t) * group + h % group) * stride);
      }
      if (k.rows() == 0) continue;
      for (int64_t h = 0; h < p.kv_heads; ++h) {
        turned(k.row(t) + h * dim, p.k_norm, t, key);
        kernels_.rms_norm(v.row(t) + h * dim, nullptr, p.eps, 1.0f, dim, value);
        std::fill(value + dim, value + wide, 0.0f);
        kernels_.write_kv(layout, position % kKvBlock, key, value,
                          cache->head(p.layer, h, position));
      }
    }
  });

  Tensor out(q.rows(), p.heads * wide);
  list_tiles(p, segments, queries, out, work.tiles);
  attend(pool_, kernels_, work);
  if (wide == dim) return out;
  Tensor packed(q.rows(), q.cols());
  for_range(q.rows(), 1, q.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * p.heads; i < end * p.heads; ++i) {
      const int64_t t = i / p.heads, h = i % p.heads;
      std::copy_n(out.row(t) + h * wide, dim, packed.row(t) + h * dim);
    }
  });
  return packed;
}

}  // namespace octavo
