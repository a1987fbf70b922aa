// Micro-benchmarks of the matrix kernels, in integers, f32 and tiles: bytes of weights per second
// for one token and for four (compare with ReadBandwidth of the same run), matrix operations per
// second for many (compare with FmaPeak).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <span>
#include <tuple>

#include "kernels/kernels.h"
#include "kernels/peak.h"
#include "kernels/tile_rows.h"
#include "numerics/quantize.h"

namespace octavo {
namespace {

constexpr int64_t kCols = 2816;
constexpr int64_t kRows = 32768;  // far more than the caches hold

struct BenchMatrix {
  MatrixView view;
  std::vector<uint8_t> weight, scales, biases;
};

/// One encoded block of rows, repeated: encoding hundreds of megabytes would take longer than the
/// measurement.
const BenchMatrix& matrix(const QuantSpec& spec) {
  static std::map<std::string, BenchMatrix> all;
  BenchMatrix& m = all[std::string(to_string(spec.mode)) + std::to_string(spec.bits)];
  if (m.view.rows != 0) return m;
  constexpr int64_t kBlock = 64;
  std::mt19937 rng(1);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  std::vector<float> source(kBlock * kCols);
  for (float& x : source) x = normal(rng);
  const bool affine = spec.has_biases();
  std::vector<uint8_t> weight(static_cast<size_t>(kBlock * spec.weight_bytes(kCols)));
  std::vector<uint8_t> scales(static_cast<size_t>(kBlock * spec.groups(kCols) * (affine ? 2 : 1)));
  std::vector<uint8_t> biases(affine ? scales.size() : 0);
  quantize_f32(source, kCols, spec, ScaleRule::kDefault, {weight, scales, biases}, "bench");
  for (int64_t i = 0; i < kRows / kBlock; ++i) {
    m.weight.insert(m.weight.end(), weight.begin(), weight.end());
    m.scales.insert(m.scales.end(), scales.begin(), scales.end());
    m.biases.insert(m.biases.end(), biases.begin(), biases.end());
  }
  m.view = {MatrixFormat::kQuantised,
            spec,
            SideDtype::kBF16,
            kRows,
            kCols,
            m.weight.data(),
            m.scales.data(),
            affine ? m.biases.data() : nullptr};
  return m;
}

/// In BF16, as the attention's output projection is kept; the spec is not looked at.
const BenchMatrix& dense_matrix(const QuantSpec&) {
  static BenchMatrix m;
  if (m.view.rows != 0) return m;
  std::mt19937 rng(1);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  m.weight.resize(static_cast<size_t>(kRows * kCols) * 2);
  for (size_t i = 0; i < 64 * kCols; ++i) {
    const float value = normal(rng);
    std::memcpy(&m.weight[2 * i], reinterpret_cast<const std::byte*>(&value) + 2, 2);
  }
  for (size_t i = 64 * kCols * 2; i < m.weight.size(); ++i) {
    m.weight[i] = m.weight[i - 64 * kCols * 2];
  }
  m.view = {.format = MatrixFormat::kBF16,
            .spec = {},
            .rows = kRows,
            .cols = kCols,
            .weight = m.weight.data()};
  return m;
}

void read_bandwidth(benchmark::State& state) {
  const std::vector<std::byte> data(size_t{256} << 20, std::byte{1});
  for (auto _ : state) {
    benchmark::DoNotOptimize(peak_loops().read(data.data(), data.size(), true));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(data.size()));
}
BENCHMARK(read_bandwidth)->Name("ReadBandwidth")->Unit(benchmark::kMillisecond);

void fma_peak(benchmark::State& state) {
  constexpr uint64_t kRounds = 1 << 16;
  for (auto _ : state) peak_loops().fp32.run(kRounds);
  const auto operations = static_cast<double>(kRounds * peak_loops().fp32.operations_per_round);
  state.counters["FLOP"] =
      benchmark::Counter(operations, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(fma_peak)->Name("FmaPeak")->Unit(benchmark::kMillisecond);

/// Cache lines: the kernels read whole vectors, which must not cross two.
struct Lines {
  explicit Lines(size_t bytes) : lines(bytes / sizeof(Line) + 1) {}
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(lines.data());
  }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> lines;
};

/// Inputs and outputs of a product, and the kernel that makes it.
struct Product {
  Product(const MatrixView& matrix, int64_t tokens)
      : m(matrix),
        inputs(static_cast<size_t>(tokens * kCols) * sizeof(float)),
        outputs(tokens, std::vector<float>(matrix.rows)) {
    std::fill_n(inputs.as<float>(), tokens * kCols, 0.5f);
    for (int64_t t = 0; t < tokens; ++t) {
      x.push_back(inputs.as<float>() + t * kCols);
      y.push_back(outputs[t].data());
    }
  }

  MatrixView m;
  Lines inputs;
  std::vector<std::vector<float>> outputs;
  std::vector<const float*> x;
  std::vector<float*> y;
};

struct Exact : Product {
  Exact(const Kernels& k, const MatrixView& matrix, int64_t tokens)
      : Product(matrix, tokens),
        kernels(k),
        scratch(static_cast<size_t>(exact_scratch_floats(matrix)) * sizeof(float)) {}
  void run() {
    kernels.matmul(m, 0, m.rows, x.data(), std::ssize(x), y.data(), scratch.as<float>());
  }

  const Kernels& kernels;
  Lines scratch;
};

struct Integer : Product {
  Integer(const Kernels& k, const MatrixView& matrix, int64_t tokens)
      : Product(matrix, tokens),
        kernels(k),
        memory(static_cast<size_t>(tokens * integer_row_bytes(kCols))),
        scratch(static_cast<size_t>(integer_scratch_bytes(matrix, tokens))) {
    for (int64_t t = 0; t < tokens; ++t) {
      rows.push_back(integer_row_at(memory.as<std::byte>() + t * integer_row_bytes(kCols), kCols));
      k.quantise_row(x[t], kCols, rows.back());
    }
  }
  void run() {
    kernels.matmul_integer(m, 0, m.rows, rows.data(), std::ssize(rows), y.data(),
                           scratch.as<void>());
  }

  const Kernels& kernels;
  Lines memory;
  std::vector<IntegerRow> rows;
  Lines scratch;
};

/// In the two parts that products have by default.
struct Tiles : Product {
  static constexpr int kParts = 2;
  Tiles(const Kernels& k, const MatrixView& matrix, int64_t tokens)
      : Product(matrix, tokens),
        kernels(k),
        rows(static_cast<size_t>(tile_blocks(tokens) * kBlockWords) * 2),
        scratch(static_cast<size_t>(tile_scratch_bytes(matrix))) {
    for (int64_t t = 0; t < tokens; ++t) {
      k.split_row(x[t], kCols, kParts, rows.as<uint16_t>() + tile_row_place(t, kBlockWords));
    }
  }
  void run() {
    kernels.matmul_tiles(m, 0, m.rows, rows.as<uint16_t>(), kParts, std::ssize(x), y.data(),
                         scratch.as<void>());
  }

  static constexpr int64_t kBlockWords = tile_block_words(kCols, kParts);
  const Kernels& kernels;
  Lines rows;
  Lines scratch;
};

template <class Kind>
void matmul(benchmark::State& state, const Kernels& k, const BenchMatrix& (*make)(const QuantSpec&),
            const QuantSpec& spec, int64_t rows, int64_t tokens) {
  Kind product(k, make(spec).view.slice(0, rows), tokens);
  for (auto _ : state) {
    product.run();
    benchmark::ClobberMemory();
  }
  if (tokens <= kRowKernelTokens) {
    state.SetBytesProcessed(state.iterations() * product.m.bytes());
  }
  state.counters["FLOP"] = benchmark::Counter(2.0 * static_cast<double>(rows * kCols * tokens),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

template <class Run, class Make>
void add_all(const Kernels& k, const std::string& name, Run* run, Make* make,
             const QuantSpec& spec) {
  const auto add = [&](const char* what, int64_t rows, int64_t tokens) {
    benchmark::RegisterBenchmark((what + name).c_str(), run, k, make, spec, rows, tokens)
        ->Unit(benchmark::kMillisecond);
  };
  add("Decode", kRows, 1);
  add("DecodeFromCache", 128, 1);  // 721 KB at most: the second-level cache
  add("Decode4", kRows, 4);
  add("Prefill32", kRows, 32);  // what an expert sees of 512 tokens, weights from memory
  add("Prefill512", 1024, 512);
}

template <class Make>
void add_tiles(const Kernels& k, const std::string& format, Make* make, const QuantSpec& spec) {
  for (const auto& [name, rows, tokens] :
       {std::tuple{"Prefill32", kRows, 32}, {"Prefill512", int64_t{1024}, 512}}) {
    benchmark::RegisterBenchmark((name + ("/tiles/" + std::string(k.name)) + "/" + format).c_str(),
                                 matmul<Tiles>, k, make, spec, rows, tokens)
        ->Unit(benchmark::kMillisecond);
  }
}

const bool kRegistered = [] {
  const QuantSpec specs[] = {
      {QuantMode::kMxfp8, 8, 32},  {QuantMode::kMxfp4, 4, 32},  {QuantMode::kNvfp4, 4, 16},
      {QuantMode::kAffine, 8, 64}, {QuantMode::kAffine, 6, 64}, {QuantMode::kAffine, 5, 64},
      {QuantMode::kAffine, 4, 64}, {QuantMode::kAffine, 3, 64}, {QuantMode::kAffine, 2, 64}};
  for (const std::string_view isa : available_isas()) {
    const Kernels& k = kernels_for(isa);
    if (k.matmul_tiles != nullptr) {  // the other kernels are those of the next instruction set
      for (const QuantSpec& spec : std::span(specs).first(3)) {
        add_tiles(k, std::string(to_string(spec.mode)), matrix, spec);
      }
      add_tiles(k, "bf16", dense_matrix, {});
      continue;
    }
    for (const QuantSpec& spec : specs) {
      const std::string name = "/" + std::string(isa) + "/" + std::string(to_string(spec.mode)) +
                               "_" + std::to_string(spec.bits);
      add_all(k, "/integers" + name, matmul<Integer>, matrix, spec);
      add_all(k, "/f32" + name, matmul<Exact>, matrix, spec);
    }
    add_all(k, "/f32/" + std::string(isa) + "/bf16", matmul<Exact>, dense_matrix, {});
  }
  return true;
}();

}  // namespace
}  // namespace octavo
