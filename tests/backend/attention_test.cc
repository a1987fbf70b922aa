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

/// q, k, v and rope of `in`; heads are kHeads of `dim`. Double precision, no window for what lies
/// ahead within a run.
std::vector<double> reference_row(const Inputs& in, int64_t dim, int64_t axes, int64_t window,
                                  std::span<const TokenRun> pictures, int64_t token, int64_t head) {
  const auto turned = [&](const float* x, const float* weight, int64_t t) {
    std::vector<double> y(x, x + dim);
    double squares = 0;
    for (const double value : y) squares += value * value;
    for (int64_t i = 0; i < dim; ++i) {
      y[i] *= (weight != nullptr ? double{weight[i]} : 1.0) /
              std::sqrt(squares / static_cast<double>(dim) + 1e-6);
    }
    if (weight == nullptr) return y;
    const int64_t half = dim / 2 / axes;
    for (int64_t axis = 0; axis < axes; ++axis) {
      for (int64_t i = 0; i < half; ++i) {
        const double a = y[axis * 2 * half + i], b = y[axis * 2 * half + half + i];
        const double cos = in.cos.row(t)[axis * half + i], sin = in.sin.row(t)[axis * half + i];
        y[axis * 2 * half + i] = a * cos - b * sin;
        y[axis * 2 * half + half + i] = b * cos + a * sin;
      }
    }
    return y;
  };
  const Vector q_norm(static_cast<size_t>(dim), 0.5f), k_norm(static_cast<size_t>(dim), 0.4f);
  const int64_t begin = window > 0 ? std::max<int64_t>(0, token - window + 1) : 0;
  int64_t end = token + 1;
  for (const TokenRun& run : pictures) {
    if (run.first_token <= token && token < run.end()) end = run.end();
  }
  const auto query = turned(in.q.row(token) + head * dim, q_norm.data(), token);
  const int64_t kv = head / (kHeads / kKvHeads);
  std::vector<double> weights;
  for (int64_t t = begin; t < end; ++t) {
    const auto key = turned(in.k.row(t) + kv * dim, k_norm.data(), t);
    double dot = 0;
    for (int64_t i = 0; i < dim; ++i) dot += query[i] * key[i];
    weights.push_back(std::exp(dot));
  }
  double sum = 0;
  for (const double w : weights) sum += w;
  std::vector<double> out(static_cast<size_t>(dim), 0.0);
  for (int64_t t = begin; t < end; ++t) {
    const auto value = turned(in.v.row(t) + kv * dim, nullptr, t);
    for (int64_t i = 0; i < dim; ++i) out[i] += weights[t - begin] / sum * value[i];
  }
  return out;
}

/// As Inputs, with heads of another width.
Inputs narrow_inputs(int64_t tokens, int64_t dim) {
  Inputs in(tokens);
  in.q = random_rows(tokens, kHeads * dim, 4);
  in.k = random_rows(tokens, kKvHeads * dim, 5);
  in.v = random_rows(tokens, kKvHeads * dim, 6);
  return in;
}

/// Appends inputs [begin, begin + count); `pictures` by their tokens in the inputs.
Tensor attend_pictures(CpuBackend& backend, const Inputs& in, int64_t dim, int64_t axes,
                       int64_t begin, int64_t count, std::vector<TokenRun> pictures,
                       KvCache& cache) {
  const Vector q_norm(static_cast<size_t>(dim), 0.5f), k_norm(static_cast<size_t>(dim), 0.4f);
  std::erase_if(pictures, [&](const TokenRun& run) {
    return run.first_token < begin || run.first_token >= begin + count;
  });
  for (TokenRun& run : pictures) run.first_token -= begin;
  const AttentionSegment segment = {&cache, 0, count};
  cache.reserve(count);
  Tensor out = backend.attention(
      {.layer = 0,
       .heads = kHeads,
       .kv_heads = kKvHeads,
       .head_dim = dim,
       .window = cache.shape().layers[0].window,
       .q_norm = q_norm,
       .k_norm = k_norm,
       .eps = 1e-6f,
       .rope_axes = axes,
       .pictures = pictures},
      rows_of(in.q, begin, count), rows_of(in.k, begin, count), rows_of(in.v, begin, count),
      {rows_of(in.cos, begin, count), rows_of(in.sin, begin, count)}, {&segment, 1});
  cache.commit(count);
  return out;
}

KvCache make_wide_cache(int64_t dim, int64_t window) {
  auto shape = std::make_shared<KvShape>();
  shape->layers = {{kKvHeads, padded(dim), window}};
  shape->format = KvFormat::kF32;
  return KvCache(shape);
}

TEST(CpuAttention, PicturesAreSeenWhole) {
  const std::vector<TokenRun> pictures = {{0, 5}, {30, 90}, {121, 20}, {141, 9}, {199, 1}};
  CpuBackend one({.threads = 1}), two({.threads = 2});
  for (const int64_t dim : {64, 20, 36}) {
    for (const int64_t axes : {1, 2}) {
      for (const int64_t window : {0, 40}) {
        const Inputs in = narrow_inputs(200, dim);
        KvCache whole_cache = make_wide_cache(dim, window);
        const Tensor whole =
            attend_pictures(two, in, dim, axes, 0, in.length, pictures, whole_cache);
        ASSERT_EQ(whole.cols(), kHeads * dim);
        for (int64_t t = 0; t < in.length; ++t) {
          for (const int64_t head : {0, 3, 7}) {
            const auto expected = reference_row(in, dim, axes, window, pictures, t, head);
            for (int64_t i = 0; i < dim; ++i) {
              ASSERT_NEAR(whole.row(t)[head * dim + i], expected[i], 3e-6)
                  << "dim " << dim << " window " << window << " token " << t;
            }
          }
        }
        // In chunks that hold pictures whole.
        KvCache cache = make_wide_cache(dim, window);
        int64_t begin = 0;
        for (const int64_t count : {5, 3, 22, 90, 1, 29, 50}) {
          const Tensor part = attend_pictures(one, in, dim, axes, begin, count, pictures, cache);
          EXPECT_TRUE(same_bits(part, 0, whole, begin, count)) << begin << " window " << window;
          begin += count;
        }
        EXPECT_EQ(begin, in.length);
      }
    }
  }
}

TEST(CpuAttention, APictureOfOneSequenceIsNotSeenByAnother) {
  const Inputs in = narrow_inputs(60, 64);
  CpuBackend backend({.threads = 2});
  KvCache alone_a = make_wide_cache(64, 16), alone_b = make_wide_cache(64, 16);
  const Tensor a = attend_pictures(backend, in, 64, 1, 0, 30, {{10, 20}}, alone_a);
  const Tensor b = attend_pictures(backend, in, 64, 1, 0, 30, {{0, 12}}, alone_b);

  KvCache first = make_wide_cache(64, 16), second = make_wide_cache(64, 16);
  first.reserve(30);
  second.reserve(30);
  const auto twice = [](const Tensor& t) {
    Tensor rows(60, t.cols());
    for (int64_t i = 0; i < 60; ++i) std::copy_n(t.row(i % 30), t.cols(), rows.row(i));
    return rows;
  };
  const Vector q_norm(64, 0.5f), k_norm(64, 0.4f);
  const AttentionSegment segments[] = {{&first, 0, 30}, {&second, 30, 30}};
  const TokenRun pictures[] = {{10, 20}, {30, 12}};  // they touch in the batch
  const Tensor both = backend.attention({.layer = 0,
                                         .heads = kHeads,
                                         .kv_heads = kKvHeads,
                                         .head_dim = 64,
                                         .window = 16,
                                         .q_norm = q_norm,
                                         .k_norm = k_norm,
                                         .eps = 1e-6f,
                                         .pictures = pictures},
                                        twice(in.q), twice(in.k), twice(in.v),
                                        {twice(in.cos), twice(in.sin)}, segments);
  EXPECT_TRUE(same_bits(both, 0, a, 0, 30));
  EXPECT_TRUE(same_bits(both, 30, b, 0, 30));
}

}  // namespace
}  // namespace octavo
