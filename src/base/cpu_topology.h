// base: the physical cores and the share of CPU time that this process may use.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <vector>

namespace octavo {

struct CpuCore {
  int cpu;   // the first of its logical CPUs that may be used
  int node;  // of memory
  bool operator==(const CpuCore&) const = default;
};

/// One entry per physical core among the logical CPUs `allowed`, node by node. `root` replaces "/"
/// in tests.
std::vector<CpuCore> physical_cores_of(const std::vector<int>& allowed,
                                       const std::filesystem::path& root = "/");

/// How many CPUs' worth of time the control groups (v1 and v2, all levels) of this process grant;
/// empty if they set no limit.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

/// The cores that this process was allowed when first asked: later pinning of single threads does
/// not change it.
const std::vector<CpuCore>& process_cores();

/// A CPU on every node that has one of the first `threads` cores; none if that is a single node.
std::vector<int> one_cpu_per_node(const std::vector<CpuCore>& cores, size_t threads);

/// Threads worth starting: one per core of process_cores(), no more than the quota pays for.
int default_threads();

/// Keeps a thread on one logical CPU. Throws kIo.
void pin_thread(pthread_t thread, int cpu);

}  // namespace octavo
