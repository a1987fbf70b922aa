// Micro-benchmarks of attention: decode at a depth of 16,384 in bytes of keys and values per second
// (compare with ReadBandwidth of bench_kernels) and prefill tiles in multiply-adds per second
// (compare with FmaPeak), for both layer shapes of Gemma 4 26B A4B.
#include <benchmark/benchmark.h>

#include <cstring>
#include <random>

#include "kernels/kernels.h"

namespace octavo {
namespace {

struct LayerShape {
  const char* name;
  int64_t kv_heads, group, head_dim, window;
};
constexpr LayerShape kShapes[] = {{"full", 2, 8, 512, 0}, {"sliding", 8, 2, 256, 1024}};

/// The blocks of one layer, as many as `positions` need; all heads side by side.
struct Cache {
  Cache(const Kernels& k, const LayerShape& shape, KvFormat format, int64_t positions)
      : layout{format, shape.head_dim}, block_bytes(shape.kv_heads * layout.head_bytes()) {
    const int64_t blocks = (positions + kKvBlock - 1) / kKvBlock;
    data.resize(static_cast<size_t>(blocks * block_bytes));
    std::mt19937 rng(1);
    std::normal_distribution<float> normal(0.0f, 0.05f);
    std::vector<float> row(static_cast<size_t>(shape.head_dim));
    for (float& x : row) x = normal(rng);
    for (int64_t i = 0; i < shape.kv_heads * kKvBlock; ++i) {
      k.write_kv(layout, i % kKvBlock, row.data(), row.data(),
                 data.data() + i / kKvBlock * layout.head_bytes());
    }
    for (int64_t b = 0; b < blocks; ++b) {
      std::byte* block = data.data() + b * block_bytes;
      if (b > 0) std::memcpy(block, data.data(), static_cast<size_t>(block_bytes));
      pointers.push_back(block);
    }
  }

  KvView view(int64_t head) const { return {pointers.data(), head * layout.head_bytes(), layout}; }

  KvLayout layout;
  int64_t block_bytes;
  std::vector<std::byte> data;
  std::vector<const std::byte*> pointers;
};

/// Every KV head of a layer, `positions` queries from `first` on.
void attend(benchmark::State& state, const Kernels& k, const LayerShape& shape, KvFormat format,
            int64_t first, int64_t positions) {
  const Cache cache(k, shape, format, first + positions);
  const int64_t rows = shape.group * positions, stride = shape.head_dim + 16;
  const std::vector<float> queries(static_cast<size_t>(rows * stride), 0.02f);
  std::vector<float> out(static_cast<size_t>(rows * shape.head_dim));
  std::vector<float> partial(static_cast<size_t>(rows * partial_stride(shape.head_dim)));
  std::vector<float> scores(static_cast<size_t>(rows * kScoreStride));
  std::vector<float> sums(static_cast<size_t>(2 * rows));
  double pairs = 0;  // of a query and a key that it sees
  for (int64_t p = first; p < first + positions; ++p) {
    pairs += static_cast<double>(shape.window > 0 ? std::min(shape.window, p + 1) : p + 1);
  }
  for (auto _ : state) {
    for (int64_t head = 0; head < shape.kv_heads; ++head) {
      const AttentionTile tile = {queries.data(),   stride,     shape.group,
                                  positions,        first,      shape.window,
                                  cache.view(head), out.data(), shape.group * shape.head_dim};
      for (int64_t span = tile.first_span(); span <= tile.last_span(); ++span) {
        k.attention_span(tile, span, partial.data(), scores.data());
        k.attention_merge(tile, span, partial.data(), sums.data());
      }
    }
    benchmark::ClobberMemory();
  }
  const auto heads = static_cast<double>(shape.kv_heads);
  const double flops = 4.0 * pairs * heads * static_cast<double>(shape.group * shape.head_dim);
  state.counters["FLOP"] = benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
  if (positions == 1) {
    const double bytes = pairs * heads * static_cast<double>(cache.layout.head_bytes()) / kKvBlock;
    state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
  }
}

const bool kRegistered = [] {
  constexpr std::pair<const char*, KvFormat> kFormats[] = {
      {"f32", KvFormat::kF32}, {"bf16", KvFormat::kBF16}, {"int8", KvFormat::kInt8}};
  for (const std::string_view isa : available_isas()) {
    if (isa == "amx") continue;  // the kernels of the next one
    for (const LayerShape& shape : kShapes) {
      for (const auto& [format_name, format] : kFormats) {
        const auto add = [&](const char* kind, int64_t first, int64_t positions) {
          const std::string name =
              std::string(kind) + "/" + std::string(isa) + "/" + shape.name + "/" + format_name;
          benchmark::RegisterBenchmark(name.c_str(), attend, kernels_for(isa), shape, format, first,
                                       positions)
              ->Unit(benchmark::kMillisecond);
        };
        add("Decode16k", 16383, 1);
        add("PrefillTile4k", 4096, kTileQueries / shape.group);
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace octavo
