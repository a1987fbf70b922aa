#include "base/cpu_topology.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "base/fail.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

int node_of(const fs::path& cpu_folder) {
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(cpu_folder, unreadable)) {
    const std::string name = entry.path().filename().string();
    int node = 0;
    if (name.starts_with("node") &&
        std::from_chars(name.data() + 4, name.data() + name.size(), node).ec == std::errc()) {
      return node;
    }
  }
  return 0;
}

/// CPUs granted by `quota` microseconds in `period`; quota is -1 or "max" where there is no limit.
std::optional<double> granted(const std::string& quota, const std::string& period) {
  double time = 0, every = 0;
  const auto parse = [](const std::string& text, double& value) {
    return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
  };
  if (!parse(quota, time) || !parse(period, every) || time <= 0 || every <= 0) return {};
  return time / every;
}

std::optional<double> quota_of_group(const fs::path& folder) {
  const std::string both = first_line(folder / "cpu.max");  // v2: "QUOTA PERIOD"
  const size_t space = both.find(' ');
  if (space != std::string::npos) return granted(both.substr(0, space), both.substr(space + 1));
  return granted(first_line(folder / "cpu.cfs_quota_us"), first_line(folder / "cpu.cfs_period_us"));
}

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  } else {  // more CPUs than fit the set
    for (unsigned cpu = 0; cpu < std::max(1u, std::thread::hardware_concurrency()); ++cpu) {
      cpus.push_back(static_cast<int>(cpu));
    }
  }
  return cpus;
}

}  // namespace

std::vector<CpuCore> physical_cores_of(const std::vector<int>& allowed, const fs::path& root) {
  std::vector<CpuCore> cores;
  std::set<std::string> seen;
  for (const int cpu : allowed) {
    const fs::path folder = root / fmt::format("sys/devices/system/cpu/cpu{}", cpu);
    std::string siblings = first_line(folder / "topology/thread_siblings_list");
    if (siblings.empty()) siblings = std::to_string(cpu);
    if (seen.insert(siblings).second) cores.push_back({cpu, node_of(folder)});
  }
  std::ranges::stable_sort(cores, {}, &CpuCore::node);
  return cores;
}

std::optional<double> cpu_quota(const fs::path& root) {
  std::optional<double> least;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/a/b" or "4:cpu,cpuacct:/a/b"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool v2 = controllers.empty();
    if (!v2 && controllers != "cpu" && !controllers.starts_with("cpu,") &&
        !controllers.ends_with(",cpu")) {
      continue;
    }
    const fs::path mounts = root / "sys/fs/cgroup";
    for (const fs::path& mount : {mounts / controllers, mounts / (v2 ? "unified" : "cpu")}) {
      // A container sees its own group as the root of the mount, whatever the path says.
      for (fs::path group = fs::path(line.substr(second + 1)).relative_path();;
           group = group.parent_path()) {
        const auto quota = quota_of_group(mount / group);
        if (quota && (!least || *quota < *least)) least = quota;
        if (group.empty()) break;
      }
    }
  }
  return least;
}

const std::vector<CpuCore>& process_cores() {
  static const std::vector<CpuCore> cores = physical_cores_of(allowed_cpus());
  return cores;
}

std::vector<int> one_cpu_per_node(const std::vector<CpuCore>& cores, size_t threads) {
  std::map<int, int> cpu_of_node;
  for (size_t i = 0; i < std::min(threads, cores.size()); ++i) {
    cpu_of_node[cores[i].node] = cores[i].cpu;
  }
  std::vector<int> cpus;
  for (const auto& [node, cpu] : cpu_of_node) cpus.push_back(cpu);
  return cpus.size() > 1 ? cpus : std::vector<int>();
}

int default_threads() {
  const auto cores = static_cast<double>(process_cores().size());
  return std::max(1, static_cast<int>(std::ceil(std::min(cores, cpu_quota().value_or(cores)))));
}

void pin_thread(pthread_t thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  const int error = ::pthread_setaffinity_np(thread, sizeof set, &set);
  if (error != 0) {
    fail(ErrorCode::kIo, "cannot pin a thread to CPU {}: {}", cpu, std::strerror(error));
  }
}

}  // namespace octavo
