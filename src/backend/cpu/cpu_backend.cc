#include "backend/cpu/cpu_backend.h"

#include <cmath>
#include <utility>

namespace octavo {
namespace {

// Rows of a matrix that one thread takes at least: one cache line of output.
constexpr int64_t kRowGrain = 16;

std::vector<const float*> row_pointers(const Tensor& x) {
  std::vector<const float*> rows(static_cast<size_t>(x.rows()));
  for (int64_t t = 0; t < x.rows(); ++t) rows[t] = x.row(t);
  return rows;
}

std::vector<float*> row_pointers(Tensor& x) {
  std::vector<float*> rows(static_cast<size_t>(x.rows()));
  for (int64_t t = 0; t < x.rows(); ++t) rows[t] = x.row(t);
  return rows;
}

}  // namespace

float* thread_scratch(int64_t floats) {
  thread_local std::vector<float> scratch;
  if (std::ssize(scratch) < floats) scratch.resize(static_cast<size_t>(floats));
  return scratch.data();
}

CpuBackend::CpuBackend(int threads, bool pin) : pool_(threads, pin), kernels_(kernels()) {}

void CpuBackend::for_range(int64_t count, int64_t grain, int64_t work_per_item,
                           FunctionRef<void(int64_t, int64_t)> body) {
  if (count == 0) return;
  if (count * work_per_item < kWorthThreads) return body(0, count);
  pool_.parallel_for(static_cast<size_t>(count), static_cast<size_t>(grain),
                     [&](size_t begin, size_t end) {
                       body(static_cast<int64_t>(begin), static_cast<int64_t>(end));
                     });
}

void CpuBackend::multiply(const WeightMatrix& m, const std::vector<const float*>& x,
                          const std::vector<float*>& out) {
  const int64_t tokens = std::ssize(x);
  for_range(m.rows, kRowGrain, m.cols * tokens, [&](int64_t begin, int64_t end) {
    float* scratch = thread_scratch(kTileRows * padded(m.cols));
    kernels_.matmul(m, begin, end, x.data(), tokens, out.data(), scratch);
  });
}

Tensor CpuBackend::embed(const WeightMatrix& table, std::span<const int32_t> tokens, float scale) {
  Tensor out(std::ssize(tokens), table.cols);
  for (int64_t t = 0; t < out.rows(); ++t) kernels_.decode_row(table, tokens[t], scale, out.row(t));
  return out;
}

Tensor CpuBackend::norm(const Tensor& x, const Vector& weight, float eps) {
  Tensor out(x.rows(), x.cols());
  for_range(x.rows(), 1, x.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      kernels_.rms_norm(x.row(t), weight.data(), eps, 1.0f, x.cols(), out.row(t));
    }
  });
  return out;
}

Tensor CpuBackend::add_norm(const Tensor& residual, const Tensor& x, const Vector& weight,
                            float eps, float scale) {
  Tensor out(x.rows(), x.cols());
  for_range(x.rows(), 1, x.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      kernels_.rms_norm(x.row(t), weight.data(), eps, 1.0f, x.cols(), out.row(t));
      const float* base = residual.row(t);
      float* sum = out.row(t);
      for (int64_t i = 0; i < x.cols(); ++i) sum[i] = (base[i] + sum[i]) * scale;
    }
  });
  return out;
}

Tensor CpuBackend::add(const Tensor& a, const Tensor& b) {
  Tensor out(a.rows(), a.cols());
  for (int64_t t = 0; t < a.rows(); ++t) {
    for (int64_t i = 0; i < a.cols(); ++i) out.row(t)[i] = a.row(t)[i] + b.row(t)[i];
  }
  return out;
}

std::vector<Tensor> CpuBackend::linear(const Tensor& x,
                                       std::span<const WeightMatrix* const> matrices) {
  const std::vector<const float*> inputs = row_pointers(x);
  std::vector<Tensor> results;
  for (const WeightMatrix* m : matrices) {
    Tensor out(x.rows(), m->rows);
    multiply(*m, inputs, row_pointers(out));
    results.push_back(std::move(out));
  }
  return results;
}

Tensor CpuBackend::gated_mlp(const Tensor& x, const WeightMatrix& gate, const WeightMatrix& up,
                             const WeightMatrix& down) {
  const WeightMatrix* both[] = {&gate, &up};
  std::vector<Tensor> halves = linear(x, both);
  Tensor& active = halves[0];
  for_range(x.rows(), 1, gate.rows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      kernels_.gelu_multiply(active.row(t), halves[1].row(t), gate.rows, active.row(t));
    }
  });
  const WeightMatrix* last[] = {&down};
  return std::move(linear(active, last)[0]);
}

void CpuBackend::logits(const Tensor& x, std::span<const int64_t> rows, const Vector& weight,
                        float eps, const WeightMatrix& head, float cap, std::span<float> out) {
  Tensor normed(std::ssize(rows), x.cols());
  std::vector<float*> results;
  for (int64_t i = 0; i < normed.rows(); ++i) {
    kernels_.rms_norm(x.row(rows[i]), weight.data(), eps, 1.0f, x.cols(), normed.row(i));
    results.push_back(out.data() + i * head.rows);
  }
  multiply(head, row_pointers(std::as_const(normed)), results);
  if (cap == 0) return;
  for_range(normed.rows() * head.rows, kRowGrain, 16, [&](int64_t begin, int64_t end) {
    kernels_.softcap(out.data() + begin, cap, end - begin);
  });
}

}  // namespace octavo
