#include "convert/tensor_stream.h"

#include <algorithm>
#include <cstring>

#include "base/fail.h"
#include "convert/float_cast.h"

namespace octavo::convert {
namespace {

// Large enough that system calls do not count, small enough for every thread to hold a few.
constexpr size_t kBlockBytes = size_t{1} << 20;

std::span<uint8_t> part(std::vector<uint8_t>& buffer, size_t size) {
  buffer.resize(size);
  return buffer;
}

}  // namespace

TensorStream::TensorStream(const Checkpoint& source, SafetensorsWriter& writer, ScaleRule rule,
                           ThreadPool& pool, Progress& progress, std::function<bool()> cancelled)
    : source_(source),
      writer_(writer),
      rule_(rule),
      pool_(pool),
      progress_(progress),
      cancelled_(std::move(cancelled)) {}

QuantError TensorStream::run(const PlannedTensor& planned, const TensorScaling* scaling) {
  const TensorView& view = source_.get(planned.tensor.source);
  const RowReader reader(view, planned, scaling);
  const auto rows_per_block = static_cast<int64_t>(
      std::max<size_t>(1, kBlockBytes / std::max<size_t>(1, reader.row_bytes())));
  const int64_t blocks = (reader.rows() + rows_per_block - 1) / rows_per_block;
  std::vector<QuantError> errors(static_cast<size_t>(blocks));
  const auto body = [&](size_t index, int) {
    if (cancelled_ && cancelled_()) fail(ErrorCode::kCancelled, "conversion interrupted");
    const int64_t begin = static_cast<int64_t>(index) * rows_per_block;
    const int64_t end = std::min(begin + rows_per_block, reader.rows());
    errors[index] = run_block(reader, planned, begin, end);
    let_go(reader, view, begin, end);
    const std::lock_guard lock(progress_mutex_);
    progress_.advance(static_cast<uint64_t>(end - begin) * reader.source_row(begin).size());
  };
  if (blocks == 1) {
    body(0, 0);
  } else {
    pool_.parallel_items(static_cast<size_t>(blocks), body);
  }
  source_.release(view);  // the pages at the seams of the blocks
  inexact_ += reader.inexact();
  QuantError total;
  for (const QuantError& error : errors) total += error;
  return total;
}

QuantError TensorStream::run_block(const RowReader& reader, const PlannedTensor& planned,
                                   int64_t begin, int64_t end) {
  thread_local std::vector<std::byte> rows;
  rows.resize(static_cast<size_t>(end - begin) * reader.row_bytes());
  reader.read(begin, end, rows);
  if (planned.spec) return encode(reader, planned, begin, end, rows);
  writer_.write(planned.tensor.name, static_cast<uint64_t>(begin) * reader.row_bytes(), rows);
  return {};
}

QuantError TensorStream::encode(const RowReader& reader, const PlannedTensor& planned,
                                int64_t begin, int64_t end, std::span<const std::byte> rows) {
  thread_local std::vector<uint8_t> weight, scales, biases;
  const QuantSpec& spec = *planned.spec;
  const auto count = static_cast<size_t>(end - begin);
  const size_t values = count * static_cast<size_t>(reader.width());
  const auto weight_row = static_cast<size_t>(spec.weight_bytes(reader.width()));
  const size_t side_row =
      static_cast<size_t>(spec.groups(reader.width())) * (spec.has_biases() ? 2 : 1);
  const QuantizedRows out{.weight = part(weight, count * weight_row),
                          .scales = part(scales, count * side_row),
                          .biases = part(biases, spec.has_biases() ? count * side_row : 0)};
  QuantError error;
  if (planned.dtype == Dtype::kBF16) {
    // Vectors of bytes come from operator new: aligned for any number.
    const std::span<const uint16_t> bf16(reinterpret_cast<const uint16_t*>(rows.data()), values);
    error = quantize_bf16(bf16, reader.width(), spec, rule_, out, planned.tensor.source);
  } else {
    thread_local std::vector<float> floats;
    floats.resize(values);
    to_floats(rows, planned.dtype, floats, planned.tensor.source);
    error = quantize_f32(floats, reader.width(), spec, rule_, out, planned.tensor.source);
  }
  const std::string path(module_path(planned.tensor.name));
  const auto first = static_cast<uint64_t>(begin);
  writer_.write(path + ".weight", first * weight_row, std::as_bytes(out.weight));
  writer_.write(path + ".scales", first * side_row, std::as_bytes(out.scales));
  if (spec.has_biases()) {
    writer_.write(path + ".biases", first * side_row, std::as_bytes(out.biases));
  }
  return error;
}

/// Releases the source pages of a block, run by run: a half of a fused stack is not contiguous.
void TensorStream::let_go(const RowReader& reader, const TensorView& view, int64_t begin,
                          int64_t end) const {
  if (view.bytes.empty()) return;
  TensorView run = view;
  run.bytes = reader.source_row(begin);
  for (int64_t row = begin + 1; row < end; ++row) {
    const auto next = reader.source_row(row);
    if (next.data() == run.bytes.data() + run.bytes.size()) {
      run.bytes = {run.bytes.data(), run.bytes.size() + next.size()};
    } else {
      source_.release(run);
      run.bytes = next;
    }
  }
  source_.release(run);
}

}  // namespace octavo::convert
