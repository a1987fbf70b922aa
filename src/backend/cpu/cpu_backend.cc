#include "backend/cpu/cpu_backend.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace octavo {

float* thread_scratch(int64_t floats) {
  thread_local Buffer scratch;
  thread_local int64_t size = 0;
  if (size < floats) {
    scratch = Buffer(static_cast<size_t>(floats) * sizeof(float));
    size = floats;
  }
  return static_cast<float*>(scratch.data());
}

CpuBackend::CpuBackend(const CpuOptions& options)
    : pool_(options.threads, options.pin),
      kernels_(options.kernels != nullptr ? *options.kernels : kernels()),
      exact_(options.exact) {}

void CpuBackend::for_range(int64_t count, int64_t grain, int64_t work_per_item,
                           FunctionRef<void(int64_t, int64_t)> body) {
  if (count == 0) return;
  if (count * work_per_item < kWorthThreads) return body(0, count);
  pool_.parallel_for(static_cast<size_t>(count), static_cast<size_t>(grain),
                     [&](size_t begin, size_t end) {
                       body(static_cast<int64_t>(begin), static_cast<int64_t>(end));
                     });
}

InputForms CpuBackend::forms(std::span<const WeightMatrix* const> matrices) const {
  InputForms needed;
  for (const WeightMatrix* m : matrices) {
    if (in_tiles(*m)) {
      needed.tiles = true;
    } else if (in_integers(*m)) {
      needed.integers = true;
    }
  }
  return needed;
}

InputRows CpuBackend::input_rows(const Tensor& x, InputForms forms, std::span<const int64_t> order,
                                 std::span<const int64_t> runs) {
  InputRows rows;
  rows.cols = x.cols();
  const int64_t all = order.empty() ? x.rows() : std::ssize(order);
  for (int64_t i = 0; i < all; ++i) rows.values.push_back(x.row(order.empty() ? i : order[i]));
  if (forms.integers) add_integers(x, order, rows);
  if (forms.tiles) add_tiles(runs.empty() ? std::span(&all, 1) : runs, rows);
  return rows;
}

void CpuBackend::add_integers(const Tensor& x, std::span<const int64_t> order, InputRows& rows) {
  const int64_t bytes = integer_row_bytes(x.cols());
  rows.integer_memory = Buffer(static_cast<size_t>(x.rows() * bytes));
  const auto row = [&](int64_t t) {
    return integer_row_at(static_cast<std::byte*>(rows.integer_memory.data()) + t * bytes,
                          x.cols());
  };
  for_range(x.rows(), 1, x.cols() * 4, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) kernels_.quantise_row(x.row(t), x.cols(), row(t));
  });
  for (int64_t i = 0; i < std::ssize(rows.values); ++i) {
    rows.integers.push_back(row(order.empty() ? i : order[i]));
  }
}

void CpuBackend::add_tiles(std::span<const int64_t> runs, InputRows& rows) {
  const int64_t block_words = tile_block_words(rows.cols, tile_parts());
  int64_t blocks = 0;
  for (const int64_t run : runs) blocks += tile_blocks(run);
  rows.tile_memory = Buffer(static_cast<size_t>(blocks * block_words) * sizeof(uint16_t));
  auto* block = static_cast<uint16_t*>(rows.tile_memory.data());
  std::vector<uint16_t*> out;
  for (const int64_t run : runs) {
    for (int64_t t = 0; t < run; ++t) out.push_back(block + tile_row_place(t, block_words));
    block += tile_blocks(run) * block_words;
  }
  for_range(std::ssize(out), 1, rows.cols * 4, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      kernels_.split_row(rows.values[t], rows.cols, tile_parts(), out[t]);
    }
  });
  rows.tiles.assign(out.begin(), out.end());
}

void CpuBackend::multiply_rows(const WeightMatrix& m, int64_t begin, int64_t end,
                               const InputRows& x, int64_t first, int64_t count,
                               float* const* out) {
  if (!x.tiles.empty() && m.fits_tiles()) {
    float* scratch = thread_scratch(tile_scratch_bytes(m) / 4);
    kernels_.matmul_tiles(m, begin, end, x.tiles[first], tile_parts(), count, out, scratch);
  } else if (x.integers.empty() || m.format != MatrixFormat::kQuantised) {
    float* scratch = thread_scratch(exact_scratch_floats(m));
    kernels_.matmul(m, begin, end, x.values.data() + first, count, out, scratch);
  } else {
    float* scratch = thread_scratch(integer_scratch_bytes(m, count) / 4);
    kernels_.matmul_integer(m, begin, end, x.integers.data() + first, count, out, scratch);
  }
}

void CpuBackend::multiply(const InputRows& x, std::span<const WeightMatrix* const> matrices,
                          float* const* out) {
  int64_t grains = 0, rows = 0;
  for (const WeightMatrix* m : matrices) rows += m->rows;
  // Whole panels of tiles, which are the largest, unless some threads would get none.
  const bool panels = !x.tiles.empty() && rows >= 4 * pool_.size() * kMostTileRows;
  const int64_t grain = panels ? kMostTileRows : kRowGrain;
  // All matrices are one range of grains of rows, so that the threads meet only once.
  const auto grains_of = [&](const WeightMatrix& m) { return (m.rows + grain - 1) / grain; };
  for (const WeightMatrix* m : matrices) grains += grains_of(*m);
  const int64_t tokens = std::ssize(x.values);
  const int64_t work = grains > 0 ? rows * x.cols * tokens / grains : 0;
  for_range(grains, 1, work, [&](int64_t begin, int64_t end) {
    for (size_t i = 0; i < matrices.size() && end > 0; ++i) {
      const WeightMatrix& m = *matrices[i];
      const int64_t here = grains_of(m);
      if (begin < here) {
        multiply_rows(m, std::max<int64_t>(begin, 0) * grain,
                      std::min(std::min(end, here) * grain, m.rows), x, 0, tokens,
                      out + static_cast<int64_t>(i) * tokens);
      }
      begin -= here;
      end -= here;
    }
  });
}

Tensor CpuBackend::embed(const WeightMatrix& table, std::span<const int32_t> tokens, float scale) {
  const auto count = static_cast<int64_t>(tokens.size());
  const ProfileScope scope(profile_, Op::kEmbed,
                           static_cast<uint64_t>(table.slice(0, 1).bytes() * count));
  Tensor out(count, table.cols);
  for_range(count, 1, table.cols * 4, [&](int64_t begin, int64_t end) {
    float* scratch = thread_scratch(2 * padded(table.groups()));
    for (int64_t t = begin; t < end; ++t) {
      kernels_.decode_row(table, tokens[t], scale, out.row(t), scratch);
    }
  });
  return out;
}

Tensor CpuBackend::norm(const Tensor& x, const Vector& weight, float eps) {
  const ProfileScope scope(profile_, Op::kNorm);
  Tensor out(x.rows(), x.cols());
  const float* factors = weight.empty() ? nullptr : weight.data();
  for_range(x.rows(), 1, x.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      kernels_.rms_norm(x.row(t), factors, eps, 1.0f, x.cols(), out.row(t));
    }
  });
  return out;
}

Tensor CpuBackend::add_norm(const Tensor& residual, const Tensor& x, const Vector& weight,
                            float eps, float scale) {
  const ProfileScope scope(profile_, Op::kNorm);
  const auto width = std::ssize(weight);
  Tensor out(x.rows(), x.cols());
  for_range(x.rows(), 1, x.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t i = 0; i < x.cols(); i += width) {
        kernels_.rms_norm(x.row(t) + i, weight.data(), eps, 1.0f, width, out.row(t) + i);
      }
      const float* base = residual.row(t);
      float* sum = out.row(t);
      for (int64_t i = 0; i < x.cols(); ++i) sum[i] = (base[i] + sum[i]) * scale;
    }
  });
  return out;
}

Tensor CpuBackend::add(const Tensor& a, const Tensor& b) {
  const ProfileScope scope(profile_, Op::kNorm);
  Tensor out(a.rows(), a.cols());
  for_range(a.rows(), 1, a.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t i = 0; i < a.cols(); ++i) out.row(t)[i] = a.row(t)[i] + b.row(t)[i];
    }
  });
  return out;
}

Tensor CpuBackend::clamp(const Tensor& x, float low, float high) {
  const ProfileScope scope(profile_, Op::kNorm);
  Tensor out(x.rows(), x.cols());
  for_range(x.rows(), 1, x.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t i = 0; i < x.cols(); ++i) out.row(t)[i] = std::clamp(x.row(t)[i], low, high);
    }
  });
  return out;
}

Tensor CpuBackend::gelu_multiply(Tensor gate, const Tensor& up, int64_t first) {
  const ProfileScope scope(profile_, Op::kNorm);
  for_range(gate.rows(), 1, gate.cols() * 8, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      kernels_.gelu_multiply(gate.row(t), up.row(t) + first, gate.cols(), gate.row(t));
    }
  });
  return gate;
}

Tensor CpuBackend::pool(const Tensor& x, int64_t columns, int64_t size, float scale) {
  const ProfileScope scope(profile_, Op::kNorm);
  const int64_t width = columns / size, cells = x.rows() / (size * size);
  const float share = scale / static_cast<float>(size * size);
  Tensor out(cells, x.cols());
  for_range(cells, 1, x.cols() * size * size, [&](int64_t begin, int64_t end) {
    for (int64_t cell = begin; cell < end; ++cell) {
      std::fill_n(out.row(cell), x.cols(), 0.0f);
      for (int64_t i = 0; i < size * size; ++i) {
        const int64_t row = cell / width * size + i / size, column = cell % width * size + i % size;
        kernels_.accumulate(x.row(row * columns + column), share, x.cols(), out.row(cell));
      }
    }
  });
  return out;
}

Tensor CpuBackend::standardise(const Tensor& x, const Vector& bias, const Vector& scale) {
  const ProfileScope scope(profile_, Op::kNorm);
  Tensor out(x.rows(), x.cols());
  for (int64_t t = 0; t < x.rows(); ++t) {
    for (int64_t i = 0; i < x.cols(); ++i) out.row(t)[i] = (x.row(t)[i] - bias[i]) * scale[i];
  }
  return out;
}

std::vector<Tensor> CpuBackend::linear(Op op, const Tensor& x,
                                       std::span<const WeightMatrix* const> matrices) {
  int64_t bytes = 0, rows = 0;
  for (const WeightMatrix* m : matrices) {
    bytes += m->bytes();
    rows += m->rows;
  }
  const ProfileScope scope(profile_, op, static_cast<uint64_t>(bytes),
                           static_cast<uint64_t>(rows * x.cols() * x.rows()));
  std::vector<Tensor> results;
  std::vector<float*> out;
  for (const WeightMatrix* m : matrices) {
    Tensor& result = results.emplace_back(x.rows(), m->rows);
    for (int64_t t = 0; t < x.rows(); ++t) out.push_back(result.row(t));
  }
  multiply(input_rows(x, forms(matrices)), matrices, out.data());
  return results;
}

Tensor CpuBackend::gated_mlp(const Tensor& x, const WeightMatrix& gate, const WeightMatrix& up,
                             const WeightMatrix& down) {
  const WeightMatrix* both[] = {&gate, &up};
  std::vector<Tensor> halves = linear(Op::kMlp, x, both);
  const Tensor active = gelu_multiply(std::move(halves[0]), halves[1]);
  const WeightMatrix* last[] = {&down};
  return std::move(linear(Op::kMlp, active, last)[0]);
}

void CpuBackend::logits(const Tensor& x, std::span<const int64_t> rows, const Vector& weight,
                        float eps, const WeightMatrix& head, float cap, std::span<float> out) {
  const auto count = static_cast<int64_t>(rows.size());
  const ProfileScope scope(profile_, Op::kHead, static_cast<uint64_t>(head.bytes()),
                           static_cast<uint64_t>(head.rows * head.cols * count));
  Tensor normed(count, x.cols());
  std::vector<float*> results;
  for (int64_t i = 0; i < count; ++i) {
    kernels_.rms_norm(x.row(rows[i]), weight.data(), eps, 1.0f, x.cols(), normed.row(i));
    results.push_back(out.data() + i * head.rows);
  }
  const WeightMatrix* const one[] = {&head};
  // Never in tiles: of a prompt one row is wanted as a rule, which takes half as long without.
  multiply(input_rows(normed, {.integers = in_integers(head)}), one, results.data());
  if (cap == 0) return;
  for_range(count * head.rows, kLanes, 16, [&](int64_t begin, int64_t end) {
    kernels_.softcap(out.data() + begin, cap, end - begin);
  });
}

}  // namespace octavo
