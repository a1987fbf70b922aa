// synth: writes the values of planned tensors.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <tuple>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "checkpoint/safetensors_writer.h"
#include "convert/plan.h"
#include "synth/row_pool.h"

namespace octavo::synth {

/// The files' tensors for a plan in BF16 under the names of the source, where the gate and up
/// matrices of experts are one.
std::vector<TensorPlan> source_tensors(const convert::Plan& plan);

class TensorWriter {
 public:
  /// With `source_names` tensors go where source_tensors() puts them, else where the plan does.
  /// Every value follows from `seed`, the tensor's planned name and its place alone.
  TensorWriter(SafetensorsWriter& writer, bool source_names, ScaleRule rule, uint64_t seed,
               ThreadPool& pool, Progress& progress, std::function<bool()> cancelled);

  /// Throws kCancelled once `cancelled` says so.
  void run(const convert::PlannedTensor& planned);

 private:
  struct Place;  // where a tensor's rows go

  void write_vector(const convert::PlannedTensor& planned);
  void write_matrix(const convert::PlannedTensor& planned);
  void write_rows(const Place& place, const RowPool& rows, int64_t matrix, int64_t begin,
                  int64_t end);
  const RowPool& pool_of(const convert::PlannedTensor& planned);

  SafetensorsWriter& writer_;
  bool source_names_;
  ScaleRule rule_;
  uint64_t seed_;
  ThreadPool& pool_;
  Progress& progress_;
  std::function<bool()> cancelled_;
  std::mutex progress_mutex_;
  // By width, deviation, and mode, bits and group size (-1 for BF16).
  std::map<std::tuple<int64_t, double, int, int, int>, RowPool> rows_;
};

}  // namespace octavo::synth
