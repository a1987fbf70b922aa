// backend: where the time of a forward pass goes, by kind of operation.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace octavo {

enum class Op {
  kEmbed,
  kNorm,
  kQkv,
  kAttention,
  kOProj,
  kMlp,
  kRouter,
  kExperts,
  kPerLayer,
  kHead,
  kSampling,
  kOther,
};
inline constexpr size_t kOps = static_cast<size_t>(Op::kOther) + 1;

std::string_view name_of(Op op);
/// Operations that consist of products with weights; attention is not one of them.
bool is_matrix_product(Op op);

struct OpProfile {
  double seconds = 0;
  uint64_t calls = 0;
  uint64_t bytes = 0;    // weights, keys and values read
  uint64_t macs = 0;     // multiply-adds
  uint64_t experts = 0;  // distinct experts read, summed over calls
};

/// Sums per kind of operation. Only the thread that runs the forward pass may use it. Inside nested
/// scopes time goes to the innermost, so that no time counts twice.
class Profile {
 public:
  const OpProfile& of(Op op) const { return ops_[static_cast<size_t>(op)]; }
  void add_experts(uint64_t distinct) {
    ops_[static_cast<size_t>(Op::kExperts)].experts += distinct;
  }
  double seconds() const;                  // of all operations
  double outside_matrix_products() const;  // share of seconds(), 0 to 1
  void reset() { ops_ = {}; }

 private:
  friend class ProfileScope;
  using Clock = std::chrono::steady_clock;

  void switch_to(std::optional<Op> op);

  std::array<OpProfile, kOps> ops_;
  std::optional<Op> running_;
  Clock::time_point since_;
};

/// Charges its lifetime to `op`. Costs a test of a pointer where nobody profiles.
class ProfileScope {
 public:
  ProfileScope(Profile* profile, Op op, uint64_t bytes = 0, uint64_t macs = 0) : profile_(profile) {
    if (profile_ != nullptr) begin(op, bytes, macs);
  }
  ~ProfileScope() {
    if (profile_ != nullptr) profile_->switch_to(outer_);
  }
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;

 private:
  void begin(Op op, uint64_t bytes, uint64_t macs);

  Profile* profile_;
  std::optional<Op> outer_;
};

}  // namespace octavo
