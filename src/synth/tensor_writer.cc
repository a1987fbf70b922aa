#include "synth/tensor_writer.h"

#include <algorithm>
#include <cstdlib>

#include "base/fail.h"
#include "numerics/bfloat16.h"
#include "synth/random.h"
#include "synth/values.h"

namespace octavo::synth {
namespace {

using convert::Part;
using convert::PlannedTensor;

// Large enough that system calls do not count, small enough to stay in a core's cache.
constexpr size_t kBlockBytes = size_t{1} << 20;

}  // namespace

/// A tensor is `matrices` times `rows` rows; in the file each matrix starts `stride` rows after the
/// one before, the first at row `first`: half of a fused stack leaves room for the other half.
struct TensorWriter::Place {
  std::vector<std::string> names;  // of the planes
  uint64_t key = 0;
  int64_t matrices = 1, rows = 1, stride = 1, first = 0;
};

std::vector<TensorPlan> source_tensors(const convert::Plan& plan) {
  std::vector<TensorPlan> tensors;
  for (const PlannedTensor& planned : plan.tensors) {
    if (planned.tensor.part == Part::kSecondHalf) continue;
    TensorPlan tensor{planned.tensor.source, planned.dtype, planned.tensor.shape};
    if (planned.tensor.part == Part::kFirstHalf) tensor.shape[1] *= 2;
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

TensorWriter::TensorWriter(SafetensorsWriter& writer, bool source_names, ScaleRule rule,
                           uint64_t seed, ThreadPool& pool, Progress& progress,
                           std::function<bool()> cancelled)
    : writer_(writer),
      source_names_(source_names),
      rule_(rule),
      seed_(seed),
      pool_(pool),
      progress_(progress),
      cancelled_(std::move(cancelled)) {}

void TensorWriter::run(const PlannedTensor& planned) {
  if (planned.tensor.shape.size() < 2) {
    write_vector(planned);
  } else {
    write_matrix(planned);
  }
}

void TensorWriter::write_vector(const PlannedTensor& planned) {
  const std::string& name = planned.tensor.name;
  const Uniform range = vector_values(name);
  const uint64_t key = mix(seed_, name);
  std::vector<uint16_t> values(planned.bytes() / sizeof(uint16_t));
  for (size_t i = 0; i < values.size(); ++i) {
    const double value = range.low + (range.high - range.low) * uniform(mix(key, i));
    values[i] = float_to_bf16(static_cast<float>(value));
  }
  writer_.write(source_names_ ? planned.tensor.source : name, 0, std::as_bytes(std::span(values)));
  progress_.advance(planned.bytes());
}

const RowPool& TensorWriter::pool_of(const PlannedTensor& planned) {
  const int64_t width = planned.tensor.shape.back();
  const PoolKind kind{width, matrix_deviation(planned.tensor.name, width), planned.spec};
  const QuantSpec spec = planned.spec.value_or(QuantSpec{QuantMode::kAffine, -1, -1});
  const auto key =
      std::tuple(width, kind.deviation, static_cast<int>(spec.mode), spec.bits, spec.group_size);
  return rows_.try_emplace(key, kind, rule_, seed_).first->second;
}

void TensorWriter::write_matrix(const PlannedTensor& planned) {
  const std::vector<int64_t>& shape = planned.tensor.shape;
  const RowPool& rows = pool_of(planned);
  Place place{.names = {}, .key = mix(seed_, planned.tensor.name)};
  place.rows = shape[shape.size() - 2];
  for (size_t i = 0; i + 2 < shape.size(); ++i) place.matrices *= shape[i];
  if (source_names_) {
    place.names = {planned.tensor.source};
    const bool half = planned.tensor.part != Part::kWhole;
    place.stride = half ? 2 * place.rows : place.rows;
    place.first = planned.tensor.part == Part::kSecondHalf ? place.rows : 0;
  } else {
    for (const TensorPlan& output : planned.outputs()) place.names.push_back(output.name);
    place.stride = place.rows;
  }
  const auto step = std::max<int64_t>(
      1, static_cast<int64_t>(kBlockBytes / std::max<size_t>(1, rows.row_bytes(0))));
  const int64_t blocks = (place.rows + step - 1) / step;  // of each matrix
  const auto body = [&](size_t index, int) {
    const auto [matrix, block] = std::div(static_cast<int64_t>(index), blocks);
    write_rows(place, rows, matrix, block * step, std::min((block + 1) * step, place.rows));
  };
  pool_.parallel_items(static_cast<size_t>(place.matrices * blocks), body);
}

void TensorWriter::write_rows(const Place& place, const RowPool& rows, int64_t matrix,
                              int64_t begin, int64_t end) {
  if (cancelled_ && cancelled_()) fail(ErrorCode::kCancelled, "interrupted");
  thread_local std::vector<std::byte> buffer;
  const auto at = static_cast<uint64_t>(matrix * place.stride + place.first + begin);
  const auto number = static_cast<uint64_t>(matrix * place.rows + begin);  // within the tensor
  const auto count = static_cast<size_t>(end - begin);
  uint64_t written = 0;
  for (size_t plane = 0; plane < rows.planes(); ++plane) {
    const size_t row_bytes = rows.row_bytes(plane);
    buffer.resize(count * row_bytes);
    for (size_t i = 0; i < count; ++i) {
      rows.copy_row(mix(place.key, number + i), plane,
                    std::span(buffer).subspan(i * row_bytes, row_bytes));
    }
    writer_.write(place.names[plane], at * row_bytes, buffer);
    written += buffer.size();
  }
  const std::lock_guard lock(progress_mutex_);
  progress_.advance(written);
}

}  // namespace octavo::synth
