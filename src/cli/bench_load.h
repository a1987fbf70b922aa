// cli: how busy other programs keep the machine while something is measured.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace octavo::cli {

/// CPU time in clock ticks that all programs together have used, and that has passed on all CPUs,
/// since the machine started.
struct CpuTicks {
  uint64_t busy = 0, all = 0;
};

/// From the text of /proc/stat; zeros if it is none.
CpuTicks parse_cpu_ticks(const std::string& stat);

/// Watches from its construction on.
class OtherLoad {
 public:
  OtherLoad();

  /// Share of all CPU time, 0 to 1, that others have used since; nothing while so little time has
  /// passed that clock ticks cannot tell.
  std::optional<double> share() const;

 private:
  CpuTicks ticks_;
  double own_;  // seconds
};

/// More than this share makes figures doubtful.
inline constexpr double kTolerableLoad = 0.06;

}  // namespace octavo::cli
