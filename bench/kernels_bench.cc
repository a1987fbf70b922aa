// Micro-benchmarks of the matrix kernels: bytes of weights per second for one token (compare with
// ReadBandwidth of the same run), multiply-adds per second for many.
#include <benchmark/benchmark.h>

#include <map>
#include <random>

#include "kernels/kernels.h"
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

void read_bandwidth(benchmark::State& state) {
  const std::vector<uint64_t> data(size_t{32} << 20, 1);
  for (auto _ : state) {
    uint64_t sum = 0;
    for (const uint64_t x : data) sum += x;
    benchmark::DoNotOptimize(sum);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(data.size() * 8));
}
BENCHMARK(read_bandwidth)->Name("ReadBandwidth")->Unit(benchmark::kMillisecond);

void matmul(benchmark::State& state, const Kernels& k, const QuantSpec& spec, int64_t rows,
            int64_t tokens) {
  const BenchMatrix& m = matrix(spec);
  std::vector<std::vector<float>> inputs(tokens, std::vector<float>(kCols, 0.5f));
  std::vector<std::vector<float>> outputs(tokens, std::vector<float>(rows));
  std::vector<const float*> x;
  std::vector<float*> y;
  for (int64_t t = 0; t < tokens; ++t) {
    x.push_back(inputs[t].data());
    y.push_back(outputs[t].data());
  }
  std::vector<float> scratch(static_cast<size_t>(exact_scratch_floats(m.view)));
  const MatrixView part = m.view.slice(0, rows);
  for (auto _ : state) {
    k.matmul(part, 0, rows, x.data(), tokens, y.data(), scratch.data());
    benchmark::ClobberMemory();
  }
  if (tokens == 1) state.SetBytesProcessed(state.iterations() * part.bytes());
  state.counters["FLOP"] = benchmark::Counter(2.0 * static_cast<double>(rows * kCols * tokens),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

const bool kRegistered = [] {
  const QuantSpec specs[] = {{QuantMode::kMxfp8, 8, 32},  {QuantMode::kMxfp4, 4, 32},
                             {QuantMode::kNvfp4, 4, 16},  {QuantMode::kAffine, 8, 64},
                             {QuantMode::kAffine, 6, 64}, {QuantMode::kAffine, 4, 64},
                             {QuantMode::kAffine, 3, 64}};
  for (const std::string_view isa : available_isas()) {
    const Kernels& k = kernels_for(isa);
    for (const QuantSpec& spec : specs) {
      const std::string name = std::string(isa) + "/" + std::string(to_string(spec.mode)) + "_" +
                               std::to_string(spec.bits);
      const auto add = [&](const char* kind, int64_t rows, int64_t tokens) {
        benchmark::RegisterBenchmark((std::string(kind) + "/" + name).c_str(), matmul, k, spec,
                                     rows, tokens)
            ->Unit(benchmark::kMillisecond);
      };
      add("Decode", kRows, 1);
      add("Prefill64", 1024, 64);
    }
  }
  return true;
}();

}  // namespace
}  // namespace octavo
