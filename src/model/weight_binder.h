// model: binds weights to the mapped tensors of a checkpoint, below one prefix of their names.
#pragma once

#include <span>
#include <string>

#include "backend/backend.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"

namespace octavo {

/// Finds tensors below one name prefix and checks their shapes and dtypes. Everything throws
/// kBadFile naming the tensor. Both arguments must outlive the binder, and the checkpoint what was
/// bound.
class WeightBinder {
 public:
  WeightBinder(const Checkpoint& checkpoint, const ModelConfig& config, std::string prefix)
      : checkpoint_(checkpoint), config_(config), prefix_(std::move(prefix)) {}

  bool has(const std::string& name) const { return checkpoint_.find(prefix_ + name) != nullptr; }

  /// As the checkpoint has it.
  std::string full_name(const std::string& name) const { return prefix_ + name; }

  /// A vector of `size` floats.
  Vector vector(const std::string& name, int64_t size) const;

  /// One float, stored with shape [] or [1].
  float scalar(const std::string& name) const;

  /// The matrix of `module`.weight, dense or quantised.
  WeightMatrix matrix(const std::string& module, int64_t rows, int64_t cols) const;

  /// [count, rows, cols] of `module`, whose tensor is called `module`.weight or just `module`: the
  /// rows of all matrices, one after the other.
  WeightMatrix stack(const std::string& module, int64_t count, int64_t rows, int64_t cols) const;

 private:
  const TensorView& get(const std::string& name) const { return checkpoint_.get(prefix_ + name); }
  WeightMatrix bind(const std::string& module, const std::string& name,
                    std::span<const int64_t> shape) const;

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  std::string prefix_;
};

}  // namespace octavo
