#include "backend/profile.h"

namespace octavo {

std::string_view name_of(Op op) {
  static constexpr std::array<std::string_view, kOps> kNames{
      "embed",  "norm",    "qkv",       "attention", "o_proj",   "mlp",
      "router", "experts", "per_layer", "head",      "sampling", "other"};
  return kNames[static_cast<size_t>(op)];
}

bool is_matrix_product(Op op) {
  switch (op) {
    case Op::kQkv:
    case Op::kOProj:
    case Op::kMlp:
    case Op::kRouter:
    case Op::kExperts:
    case Op::kPerLayer:
    case Op::kHead:
      return true;
    default:
      return false;
  }
}

double Profile::seconds() const {
  double total = 0;
  for (const OpProfile& op : ops_) total += op.seconds;
  return total;
}

double Profile::outside_matrix_products() const {
  double total = 0, outside = 0;
  for (size_t i = 0; i < kOps; ++i) {
    total += ops_[i].seconds;
    if (!is_matrix_product(static_cast<Op>(i))) outside += ops_[i].seconds;
  }
  return total == 0 ? 0 : outside / total;
}

void Profile::switch_to(std::optional<Op> op) {
  const Clock::time_point now = Clock::now();
  if (running_) {
    ops_[static_cast<size_t>(*running_)].seconds +=
        std::chrono::duration<double>(now - since_).count();
  }
  running_ = op;
  since_ = now;
}

void ProfileScope::begin(Op op, uint64_t bytes, uint64_t macs) {
  outer_ = profile_->running_;
  profile_->switch_to(op);
  OpProfile& entry = profile_->ops_[static_cast<size_t>(op)];
  entry.calls += 1;
  entry.bytes += bytes;
  entry.macs += macs;
}

}  // namespace octavo
