#include "cli/bench_load.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

namespace octavo::cli {
namespace {

constexpr uint64_t kFewestTicks = 50;  // an error of one tick is then 2 %

double own_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

CpuTicks cpu_ticks() {
  std::ifstream file("/proc/stat");
  return parse_cpu_ticks({std::istreambuf_iterator<char>(file), {}});
}

}  // namespace

CpuTicks parse_cpu_ticks(const std::string& stat) {
  std::istringstream text(stat);
  std::string name;
  text >> name;
  if (name != "cpu") return {};
  CpuTicks ticks;
  // user nice system idle iowait irq softirq steal; the guest's times are part of the user's.
  uint64_t value = 0;
  for (int i = 0; i < 8 && text >> value; ++i) {
    ticks.all += value;
    if (i != 3 && i != 4) ticks.busy += value;
  }
  return ticks;
}

OtherLoad::OtherLoad() : ticks_(cpu_ticks()), own_(own_seconds()) {}

std::optional<double> OtherLoad::share() const {
  const CpuTicks now = cpu_ticks();
  const uint64_t all = now.all - ticks_.all;
  if (now.all < ticks_.all || all < kFewestTicks) return std::nullopt;
  const double own = (own_seconds() - own_) * static_cast<double>(sysconf(_SC_CLK_TCK));
  const double others = static_cast<double>(now.busy - ticks_.busy) - own;
  return std::clamp(others / static_cast<double>(all), 0.0, 1.0);
}

}  // namespace octavo::cli
