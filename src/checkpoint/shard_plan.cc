#include "checkpoint/shard_plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "base/checked.h"
#include "base/fail.h"

namespace octavo {
namespace {

constexpr uint64_t kDataAlignment =
    16384;  // the largest page size in use, so that data can be mapped
constexpr uint64_t kTensorAlignment = 64;  // a cache line

using Group = std::vector<TensorPlan>;

void sort_and_check(Group& plan) {
  if (plan.empty()) fail(ErrorCode::kBadRequest, "a checkpoint needs at least one tensor");
  std::sort(plan.begin(), plan.end(),
            [](const TensorPlan& a, const TensorPlan& b) { return a.name < b.name; });
  for (size_t i = 1; i < plan.size(); ++i) {
    if (plan[i].name == plan[i - 1].name) {
      fail(ErrorCode::kBadRequest, "tensor '{}' is planned twice", printable(plan[i].name));
    }
  }
}

std::vector<Group> fill_greedily(Group plan, uint64_t limit) {
  std::vector<Group> groups;
  uint64_t filled = 0;
  for (TensorPlan& tensor : plan) {
    const uint64_t size = tensor.bytes();
    if (groups.empty() || size > limit - std::min(filled, limit)) {
      groups.emplace_back();
      filled = 0;
    }
    filled += size;
    groups.back().push_back(std::move(tensor));
  }
  return groups;
}

std::string header_of(const Group& tensors) {
  // An ordered object keeps __metadata__ first and the entries in data order.
  nlohmann::ordered_json json;
  json["__metadata__"] = {{"format", "mlx"}};
  uint64_t position = 0;
  for (const TensorPlan& tensor : tensors) {
    const uint64_t end = checked_add(position, tensor.bytes(), tensor.name);
    json[tensor.name] = {{"dtype", std::string(to_string(tensor.dtype))},
                         {"shape", tensor.shape},
                         {"data_offsets", {position, end}}};
    position = end;
  }
  std::string text = json.dump();
  const uint64_t used = 8 + text.size();
  text.append((kDataAlignment - used % kDataAlignment) % kDataAlignment, ' ');
  std::string header;
  for (int i = 0; i < 8; ++i) header += static_cast<char>(text.size() >> (8 * i) & 0xff);
  return header + text;
}

PlannedShard plan_shard(Group tensors, std::string file) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorPlan& a, const TensorPlan& b) {
    const bool a_odd = a.bytes() % kTensorAlignment != 0;
    const bool b_odd = b.bytes() % kTensorAlignment != 0;
    return std::tie(a_odd, a.name) < std::tie(b_odd, b.name);
  });
  PlannedShard shard{std::move(file), header_of(tensors), {}, {}, 0};
  uint64_t position = shard.header.size();
  for (const TensorPlan& tensor : tensors) {
    shard.offsets.push_back(position);
    position = checked_add(position, tensor.bytes(), tensor.name);
  }
  shard.tensors = std::move(tensors);
  shard.file_size = position;
  return shard;
}

}  // namespace

std::vector<PlannedShard> plan_shards(std::vector<TensorPlan> plan, uint64_t shard_limit) {
  sort_and_check(plan);
  std::vector<Group> groups = fill_greedily(std::move(plan), shard_limit);
  std::vector<PlannedShard> shards;
  for (size_t i = 0; i < groups.size(); ++i) {
    std::string file = groups.size() == 1
                           ? "model.safetensors"
                           : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, groups.size());
    shards.push_back(plan_shard(std::move(groups[i]), std::move(file)));
  }
  return shards;
}

}  // namespace octavo
