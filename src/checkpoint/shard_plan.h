// checkpoint: which tensor goes where in the shards of a new checkpoint.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/safetensors_writer.h"

namespace octavo {

struct PlannedShard {
  std::string file;                 // "model-00001-of-00006.safetensors"
  std::string header;               // length prefix and padded JSON: everything before the data
  std::vector<TensorPlan> tensors;  // in data order
  std::vector<uint64_t> offsets;    // of each tensor from the start of the file
  uint64_t file_size;
};

/// The layout that SafetensorsWriter documents. Throws kBadRequest for an empty plan or a name
/// twice.
std::vector<PlannedShard> plan_shards(std::vector<TensorPlan> plan, uint64_t shard_limit);

}  // namespace octavo
