// Attention of the CPU backend: the same bits for any chunks, batch and number of threads.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "backend/cpu/cpu_backend.h"

namespace octavo {
namespace {

constexpr int64_t kHeads = 8, kKvHeads = 2, kDim = 64;

Tensor random_rows(int64_t rows, int64_t cols, unsigned seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  Tensor t(rows, cols);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) t.row(r)[c] = normal(rng);
  }
  return t;
}

Tensor rows_of(const Tensor& all, int64_t begin, int64_t count) {
  Tensor part(count, all.cols());
  for (int64_t r = 0; r < count; ++r) {
    std::memcpy(part.row(r), all.row(begin + r), static_cast<size_t>(all.cols()) * 4);
  }
  return part;
}

/// One layer's inputs for a sequence of `length` tokens.
struct Inputs {
  explicit Inputs(int64_t tokens)
      : length(tokens),
        q(random_rows(tokens, kHeads * kDim, 1)),
        k(random_rows(tokens, kKvHeads * kDim, 2)),
        v(random_rows(tokens, kKvHeads * kDim, 3)),
        cos(tokens, kDim / 2),
        sin(tokens, kDim / 2) {
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t i = 0; i < kDim / 2; ++i) {
        const float angle = static_cast<float>(t) * std::pow(100.0f, -static_cast<float>(i) / 32);
        cos.row(t)[i] = std::cos(angle);
        sin.row(t)[i] = std::sin(angle);
      }
    }
  }
  int64_t length;
  Tensor q, k, v, cos, sin;
};

KvCache make_cache(KvFormat format, int64_t window) {
  auto shape = std::make_shared<KvShape>();
  shape->layers = {{kKvHeads, kDim, window}};
  shape->format = format;
  return KvCache(shape);
}

/// Appends inputs [begin, begin + count) to the cache; returns their rows.
Tensor attend(CpuBackend& backend, const Inputs& in, int64_t begin, int64_t count, KvCache& cache) {
  const Vector q_norm(kDim, 0.5f), k_norm(kDim, 0.4f);
  const AttentionSegment segment = {&cache, 0, count};
  cache.reserve(count);
  Tensor out = backend.attention(
      {0, kHeads, kKvHeads, kDim, cache.shape().layers[0].window, q_norm, k_norm, 1e-6f},
      rows_of(in.q, begin, count), rows_of(in.k, begin, count), rows_of(in.v, begin, count),
      {rows_of(in.cos, begin, count), rows_of(in.sin, begin, count)}, {&segment, 1});
  cache.commit(count);
  return out;
}

bool same_bits(const Tensor& a, int64_t a_row, const Tensor& b, int64_t b_row, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) {
    const auto bytes = static_cast<size_t>(a.cols()) * 4;
    if (std::memcmp(a.row(a_row + r), b.row(b_row + r), bytes) != 0) return false;
  }
  return true;
}

constexpr KvFormat kFormats[] = {KvFormat::kF32, KvFormat::kBF16, KvFormat::kInt8};

TEST(CpuAttention, ChunksAndThreadsDoNotChangeABit) {
  const Inputs in(1300);
  CpuBackend one({.threads = 1}), two({.threads = 2}), three({.threads = 3});
  for (const KvFormat format : kFormats) {
    for (const int64_t window : {0, 500}) {
      KvCache whole_cache = make_cache(format, window);
      const Tensor whole = attend(one, in, 0, in.length, whole_cache);
      KvCache cache = make_cache(format, window);
      int64_t begin = 0;
      for (const auto& [backend, count] : {std::pair{&two, 700},
                                           {&one, 1},
                                           {&three, 64},
                                           {&two, 300},
                                           {&three, 1},
                                           {&two, 1},
                                           {&two, 13},
                                           {&one, 70},
                                           {&two, 150}}) {
        const Tensor part = attend(*backend, in, begin, count, cache);
        EXPECT_TRUE(same_bits(part, 0, whole, begin, count)) << begin << " window " << window;
        begin += count;
      }
      EXPECT_EQ(begin, in.length);
    }
  }
}

TEST(CpuAttention, SequencesOfABatchDoNotMeet) {
  const Inputs in(900);
  CpuBackend backend({.threads = 2});
  KvCache a = make_cache(KvFormat::kBF16, 0), b = make_cache(KvFormat::kBF16, 0);
  attend(backend, in, 0, 850, a);
  attend(backend, in, 0, 20, b);
  KvCache a_alone = a, b_alone = b;
  const Vector q_norm(kDim, 0.5f), k_norm(kDim, 0.4f);
  const Tensor of_a = attend(backend, in, 850, 1, a_alone),
               of_b = attend(backend, in, 20, 5, b_alone);

  a.reserve(1);
  b.reserve(5);
  const auto joined = [&](const Tensor& t) {
    Tensor rows(6, t.cols());
    std::memcpy(rows.row(0), t.row(850), static_cast<size_t>(t.cols()) * 4);
    for (int64_t i = 0; i < 5; ++i) {
      std::memcpy(rows.row(1 + i), t.row(20 + i), static_cast<size_t>(t.cols()) * 4);
    }
    return rows;
  };
  const AttentionSegment segments[] = {{&a, 0, 1}, {&b, 1, 5}};
  const Tensor both =
      backend.attention({0, kHeads, kKvHeads, kDim, 0, q_norm, k_norm, 1e-6f}, joined(in.q),
                        joined(in.k), joined(in.v), {joined(in.cos), joined(in.sin)}, segments);
  EXPECT_TRUE(same_bits(both, 0, of_a, 0, 1));
  EXPECT_TRUE(same_bits(both, 1, of_b, 0, 5));
}

TEST(CpuAttention, ARewoundCacheForgetsWhatItHeld) {
  const Inputs in(200);
  CpuBackend backend({.threads = 1});
  for (const KvFormat format : kFormats) {
    KvCache fresh = make_cache(format, 0), rewound = make_cache(format, 0);
    attend(backend, in, 0, 70, fresh);
    attend(backend, in, 0, 200, rewound);
    KvCache other = rewound;  // a fork keeps its own
    rewound.truncate(70);
    const Tensor a = attend(backend, in, 100, 3, fresh), b = attend(backend, in, 100, 3, rewound);
    EXPECT_TRUE(same_bits(a, 0, b, 0, 3));
    EXPECT_EQ(other.length(), 200);
  }
}

// What a layer that shares keys and values does.
TEST(CpuAttention, WithoutKeysOfItsOwnALayerReadsWhatIsThere) {
  const Inputs in(300);
  CpuBackend backend({.threads = 2});
  const Vector q_norm(kDim, 0.5f), k_norm(kDim, 0.4f), none;
  for (const int64_t window : {0, 100}) {
    KvCache cache = make_cache(KvFormat::kBF16, window);
    attend(backend, in, 0, 250, cache);
    const AttentionSegment segment = {&cache, 0, 50};
    const RopeTable rope{rows_of(in.cos, 250, 50), rows_of(in.sin, 250, 50)};
    const Tensor q = rows_of(in.q, 250, 50);
    cache.reserve(50);
    const Tensor writing =
        backend.attention({0, kHeads, kKvHeads, kDim, window, q_norm, k_norm, 1e-6f}, q,
                          rows_of(in.k, 250, 50), rows_of(in.v, 250, 50), rope, {&segment, 1});
    const Tensor reading =
        backend.attention({0, kHeads, kKvHeads, kDim, window, q_norm, none, 1e-6f}, q, Tensor(),
                          Tensor(), rope, {&segment, 1});
    EXPECT_TRUE(same_bits(reading, 0, writing, 0, 50)) << "window " << window;
  }
}

}  // namespace
}  // namespace octavo
