// Attention on the CPU: keys and values first, for all tokens, then every query on its own.
#include <cstring>

#include "backend/cpu/cpu_backend.h"
#include "numerics/bfloat16.h"

namespace octavo {
namespace {

/// Rotates element i with element i + half (rotate-half convention), in place.
void rotate(float* x, const float* cos, const float* sin, int64_t half) {
  for (int64_t i = 0; i < half; ++i) {
    const float a = x[i], b = x[i + half];
    x[i] = a * cos[i] - b * sin[i];
    x[i + half] = b * cos[i] + a * sin[i];
  }
}

void store(const float* x, int64_t n, bool bf16, std::byte* out) {
  if (!bf16) {
    std::memcpy(out, x, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    const uint16_t bits = float_to_bf16(x[i]);
    std::memcpy(out + 2 * i, &bits, 2);
  }
}

struct TokenPlace {
  KvCache* cache;
  int64_t position;
};

std::vector<TokenPlace> places(std::span<const AttentionSegment> segments) {
  std::vector<TokenPlace> result;
  for (const AttentionSegment& segment : segments) {
    for (int64_t i = 0; i < segment.count; ++i) {
      result.push_back({segment.cache, segment.cache->length() + i});
    }
  }
  return result;
}

}  // namespace

Tensor CpuBackend::attention(const AttentionParams& p, const Tensor& q, const Tensor& k,
                             const Tensor& v, const RopeTable& rope,
                             std::span<const AttentionSegment> segments) {
  const std::vector<TokenPlace> tokens = places(segments);
  const int64_t dim = p.head_dim, group = p.heads / p.kv_heads;
  Tensor queries(q.rows(), q.cols());
  Tensor out(q.rows(), q.cols());

  for_range(q.rows(), 1, q.cols() * 8, [&](int64_t begin, int64_t end) {
    float* head = thread_scratch(dim);
    for (int64_t t = begin; t < end; ++t) {
      const auto [cache, position] = tokens[t];
      const bool bf16 = cache->shape().bf16;
      for (int64_t h = 0; h < p.heads; ++h) {
        float* query = queries.row(t) + h * dim;
        kernels_.rms_norm(q.row(t) + h * dim, p.q_norm.data(), p.eps, 1.0f, dim, query);
        rotate(query, rope.cos.row(t), rope.sin.row(t), dim / 2);
      }
      for (int64_t h = 0; h < p.kv_heads; ++h) {
        kernels_.rms_norm(k.row(t) + h * dim, p.k_norm.data(), p.eps, 1.0f, dim, head);
        rotate(head, rope.cos.row(t), rope.sin.row(t), dim / 2);
        store(head, dim, bf16, cache->key(p.layer, h, position));
        kernels_.rms_norm(v.row(t) + h * dim, nullptr, p.eps, 1.0f, dim, head);
        store(head, dim, bf16, cache->value(p.layer, h, position));
      }
    }
  });

  int64_t longest = 0;
  for (const TokenPlace& place : tokens) longest = std::max(longest, place.position + 1);
  const int64_t seen = p.window > 0 ? std::min(p.window, longest) : longest;
  for_range(q.rows() * p.kv_heads, 1, group * dim * seen * 2, [&](int64_t begin, int64_t end) {
    const int64_t stride = padded(seen);
    float* scores = thread_scratch(group * stride);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t t = item / p.kv_heads, h = item % p.kv_heads;
      const auto [cache, position] = tokens[t];
      const int64_t first = p.window > 0 ? std::max<int64_t>(0, position - p.window + 1) : 0;
      kernels_.attention({.query = queries.row(t) + h * group * dim,
                          .group = group,
                          .head_dim = dim,
                          .keys = cache->keys(p.layer, h),
                          .values = cache->values(p.layer, h),
                          .begin = first,
                          .end = position + 1,
                          .scores = scores,
                          .score_stride = stride,
                          .out = out.row(t) + h * group * dim});
    }
  });
  return out;
}

}  // namespace octavo
