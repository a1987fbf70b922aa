// convert: one tensor from source to file, in blocks that the threads share.
#pragma once

#include <functional>
#include <mutex>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors_writer.h"
#include "convert/row_reader.h"

namespace octavo::convert {

class TensorStream {
 public:
  TensorStream(const Checkpoint& source, SafetensorsWriter& writer, ScaleRule rule,
               ThreadPool& pool, Progress& progress, std::function<bool()> cancelled);

  /// Reads, scales, encodes and writes a tensor; returns what encoding cost. The sums do not depend
  /// on the number of threads.
  QuantError run(const PlannedTensor& planned, const TensorScaling* scaling);

  uint64_t inexact() const { return inexact_; }

 private:
  QuantError run_block(const RowReader& reader, const PlannedTensor& planned, int64_t begin,
                       int64_t end);
  QuantError encode(const RowReader& reader, const PlannedTensor& planned, int64_t begin,
                    int64_t end, std::span<const std::byte> rows);
  void let_go(const RowReader& reader, const TensorView& view, int64_t begin, int64_t end) const;

  const Checkpoint& source_;
  SafetensorsWriter& writer_;
  ScaleRule rule_;
  ThreadPool& pool_;
  Progress& progress_;
  std::mutex progress_mutex_;
  std::function<bool()> cancelled_;
  uint64_t inexact_ = 0;
};

}  // namespace octavo::convert
