// E models: layers that share keys and values have no cache of their own, and chunks, threads,
// company and rewinds change no bit; per-layer inputs of pictures; what is read of the large table.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "model/read_ahead.h"
#include "numerics/bfloat16.h"
#include "small_e_model.h"

namespace octavo {
namespace {

std::vector<int32_t> prompt(int32_t length, int32_t seed = 1) {
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < length; ++i) tokens.push_back((i * 37 * seed + i * i * 11) % 2000 + 10);
  return tokens;
}

/// The logits of all `tokens`, appended to the cache in one pass.
std::vector<float> pass(LanguageModel& model, std::span<const int32_t> tokens, KvCache& cache,
                        std::span<const ImageRun> images = {}) {
  std::vector<int64_t> rows(tokens.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<float> logits(tokens.size() * kVocab);
  const Segment segment{&cache, std::ssize(tokens)};
  model.forward({tokens, {&segment, 1}, rows, images}, logits);
  return logits;
}

std::vector<float> in_chunks(LanguageModel& model, std::span<const int32_t> tokens, size_t chunk,
                             KvCache& cache) {
  std::vector<float> logits;
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const auto part =
        pass(model, tokens.subspan(begin, std::min(chunk, tokens.size() - begin)), cache);
    logits.insert(logits.end(), part.begin(), part.end());
  }
  return logits;
}

std::vector<float> cold(LanguageModel& model, std::span<const int32_t> tokens) {
  KvCache cache = model.make_cache();
  return pass(model, tokens, cache);
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

class EModel : public testing::TestWithParam<std::string> {
 protected:
  static std::unique_ptr<LanguageModel> load(int threads, bool int8_kv = false) {
    return load_small_e_model({.int8_kv = int8_kv, .threads = threads}, GetParam());
  }
};

INSTANTIATE_TEST_SUITE_P(Layouts, EModel, testing::Values("bf16", "card"),
                         [](const auto& layout) { return layout.param; });

TEST_P(EModel, ChunksAndThreadsDoNotChangeABit) {
  const auto tokens = prompt(330);
  for (const bool int8_kv : {false, true}) {
    const auto expected = cold(*load(1, int8_kv), tokens);
    for (const int threads : {1, 2, 3}) {
      const auto model = load(threads, int8_kv);
      for (const size_t chunk : {1, 7, 64, 330}) {
        KvCache cache = model->make_cache();
        EXPECT_TRUE(same_bits(in_chunks(*model, tokens, chunk, cache), expected))
            << threads << " threads, chunks of " << chunk;
      }
    }
  }
}

TEST_P(EModel, CompanyDoesNotChangeABit) {
  const auto model = load(2);
  const std::vector<std::vector<int32_t>> prompts{prompt(150), prompt(1, 2), prompt(101, 3)};
  std::vector<int32_t> tokens;
  std::vector<KvCache> caches;
  std::vector<Segment> segments;
  for (size_t i = 0; i < prompts.size(); ++i) caches.push_back(model->make_cache());
  for (size_t i = 0; i < prompts.size(); ++i) {
    tokens.insert(tokens.end(), prompts[i].begin(), prompts[i].end());
    segments.push_back({&caches[i], std::ssize(prompts[i])});
  }
  std::vector<int64_t> rows(tokens.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<float> logits(tokens.size() * kVocab);
  model->forward({tokens, segments, rows}, logits);
  size_t begin = 0;
  for (const auto& alone : prompts) {
    const size_t count = alone.size() * kVocab;
    EXPECT_TRUE(same_bits(std::span(logits).subspan(begin, count), cold(*model, alone)));
    begin += count;
  }
}

TEST_P(EModel, ARewoundCacheIsAsGoodAsNew) {
  const auto model = load(2);
  const auto first = prompt(300);
  KvCache cache = model->make_cache();
  in_chunks(*model, first, 50, cache);
  const KvCache kept = cache;
  size_t rewinds = 0;
  for (const size_t length : {299, 290, 256, 240, 100, 1}) {
    cache = kept;
    if (!cache.can_truncate(static_cast<int64_t>(length))) continue;
    ++rewinds;
    cache.truncate(static_cast<int64_t>(length));
    std::vector<int32_t> tokens(first.begin(), first.begin() + static_cast<int64_t>(length));
    const auto other = prompt(120, 5);
    tokens.insert(tokens.end(), other.begin(), other.end());
    const auto expected = cold(*model, tokens);
    EXPECT_TRUE(same_bits(in_chunks(*model, other, 33, cache),
                          std::span(expected).subspan(length * kVocab)))
        << "rewound to " << length;
  }
  EXPECT_GE(rewinds, 3u);
  EXPECT_LT(rewinds, 6u);  // far enough back the window is gone
}

TEST(EModelTest, LayersThatShareHaveNoCacheOfTheirOwn) {
  const auto model = load_small_e_model({.threads = 1});
  KvCache cache = model->make_cache();
  ASSERT_EQ(cache.shape().layers.size(), 3u);
  pass(*model, prompt(60), cache);
  EXPECT_EQ(cache.bytes(), 2u * KvCache::kBlockTokens * (16 + 16 + 32) * sizeof(uint16_t));
}

TEST(EModelTest, EveryLayerReadsItsKeysAndValues) {
  const auto model = load_small_e_model({.threads = 1});
  // Layer 0 for itself, layer 1 for itself and two others, layer 2 for itself and one.
  const auto bytes = [](int64_t sliding, int64_t full) {
    return static_cast<uint64_t>(2 * 2 * (4 * 16 * sliding + 2 * 32 * full));
  };
  EXPECT_EQ(model->kv_bytes_read(0), bytes(1, 1));
  EXPECT_EQ(model->kv_bytes_read(499), bytes(100, 500));
  // 4 heads, once for scores and once for values.
  EXPECT_EQ(model->attention_macs(499, 500), 2u * 4 * (4 * 16 * 100 + 2 * 32 * 500));
}

TEST(EModelTest, CountsItsWork) {
  const auto model = load_small_e_model({.threads = 1});
  const ModelWork work = model->work();
  const uint64_t own = 2 * (64 * 64 + 2 * 16 * 64 + 64 * 64) + 128 * 64 + 2 * 32 * 64 + 64 * 128;
  const uint64_t shared = 2 * 2 * 64 * 64 + 2 * 128 * 64;
  const uint64_t mlp = 3 * 3 * 96 * 64 + 3 * 3 * 192 * 64;
  const uint64_t per_layer = 6 * 32 * 64 + 6 * 2 * 32 * 64;
  EXPECT_EQ(work.token_macs, own + shared + mlp + per_layer);
  EXPECT_EQ(work.head_macs, static_cast<uint64_t>(kVocab) * 64);
  EXPECT_EQ(work.shared_bytes, 2 * (work.token_macs + work.head_macs));
  // One row of each table: the large one is as large as all other weights together.
  EXPECT_EQ(work.row_bytes, 2u * (64 + 6 * 32));
  EXPECT_EQ(model->bytes_per_token(), work.shared_bytes + work.row_bytes);
}

/// What the model makes of the embedding of `token`: sqrt(64) times its row.
Tensor scaled_embeddings(int32_t token, int64_t count) {
  const Checkpoint checkpoint = Checkpoint::open(small_e_model());
  const TensorView& table = checkpoint.get("model.language_model.embed_tokens.weight");
  Tensor rows(count, 64);
  for (int64_t i = 0; i < 64; ++i) {
    uint16_t bits;
    std::memcpy(&bits, table.bytes.data() + 2 * (64 * token + i), 2);
    for (int64_t t = 0; t < count; ++t) rows.row(t)[i] = 8 * bf16_to_float(bits);
  }
  return rows;
}

TEST(EModelTest, PicturesTakePerLayerInputsFromPaddingAndTheirFeatures) {
  const auto model = load_small_e_model({.threads = 1});
  constexpr int64_t kRun = 40;
  std::vector<int32_t> tokens = prompt(90), padded = tokens;
  std::fill_n(tokens.begin() + 20, kRun, 1900);
  std::fill_n(padded.begin() + 20, kRun, 0);
  const auto with_features_of = [&](int32_t token) {
    const Tensor features = scaled_embeddings(token, kRun);
    const ImageRun image{20, &features};
    KvCache cache = model->make_cache();
    return pass(*model, tokens, cache, {&image, 1});
  };
  // Features like the embedding of padding: no way to tell them from padding.
  EXPECT_TRUE(same_bits(with_features_of(0), cold(*model, padded)));
  // Features like the embedding of the placeholder: its per-layer inputs are still not its own.
  EXPECT_FALSE(same_bits(with_features_of(1900), cold(*model, tokens)));
}

TEST(EModelTest, TheLargeTableIsNotReadAhead) {
  const Checkpoint checkpoint = Checkpoint::open(small_e_model());
  const auto table = checkpoint.get("model.language_model.embed_tokens_per_layer.weight").bytes;
  const auto whole = checkpoint.mappings();
  ASSERT_EQ(whole.size(), 1u);
  const std::byte* at = whole[0].data();
  size_t skipped = 0;
  for (const auto part : read_ahead(checkpoint)) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(part.data()) % 4096, 0u);
    if (part.data() != at) {  // what is left out lies inside the table
      EXPECT_GE(at, table.data());
      EXPECT_LE(part.data(), table.data() + table.size());
      skipped += static_cast<size_t>(part.data() - at);
    }
    at = part.data() + part.size();
  }
  EXPECT_EQ(at, whole[0].data() + whole[0].size());
  EXPECT_GT(skipped, table.size() - (64 << 10));
  EXPECT_EQ(load_small_e_model({.threads = 1})->prefault().total(), whole[0].size() - skipped);
}

}  // namespace
}  // namespace octavo
