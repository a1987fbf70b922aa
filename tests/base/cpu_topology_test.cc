#include "base/cpu_topology.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace octavo {
namespace {

namespace fs = std::filesystem;

class Topology : public testing::Test {
 protected:
  void SetUp() override { fs::remove_all(root_); }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << "\n";
  }

  void cpu(int id, const std::string& siblings, int node) {
    const std::string folder = "sys/devices/system/cpu/cpu" + std::to_string(id);
    write(folder + "/topology/thread_siblings_list", siblings);
    write(folder + "/node" + std::to_string(node) + "/cpulist", "");
  }

  // Tests of this file run at the same time in processes of their own.
  fs::path root_ =
      fs::path(testing::TempDir()) / ("cpu_topology_test." + std::to_string(::getpid()));
};

TEST_F(Topology, OneCpuPerCoreNodeByNode) {
  cpu(0, "0,4", 0), cpu(1, "1,5", 1), cpu(2, "2,6", 0), cpu(3, "3,7", 1);
  cpu(4, "0,4", 0), cpu(5, "1,5", 1), cpu(6, "2,6", 0), cpu(7, "3,7", 1);
  EXPECT_EQ(physical_cores_of({0, 1, 2, 3, 4, 5, 6, 7}, root_),
            (std::vector<CpuCore>{{0, 0}, {2, 0}, {1, 1}, {3, 1}}));
  EXPECT_EQ(physical_cores_of({3, 4, 6, 7}, root_), (std::vector<CpuCore>{{4, 0}, {6, 0}, {3, 1}}));
}

TEST(OneCpuPerNode, OnlyWhereThreadsSpreadOverNodes) {
  const std::vector<CpuCore> cores{{0, 0}, {2, 0}, {1, 1}, {3, 1}};
  EXPECT_EQ(one_cpu_per_node(cores, 4), (std::vector<int>{2, 3}));
  EXPECT_EQ(one_cpu_per_node(cores, 3), (std::vector<int>{2, 1}));
  EXPECT_EQ(one_cpu_per_node(cores, 2), std::vector<int>());
}

TEST_F(Topology, WithoutDescriptionsEveryCpuIsACore) {
  EXPECT_EQ(physical_cores_of({2, 5}, root_), (std::vector<CpuCore>{{2, 0}, {5, 0}}));
}

TEST_F(Topology, NoQuotaWithoutGroupsOrLimits) {
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
  write("proc/self/cgroup", "0::/a");
  write("sys/fs/cgroup/a/cpu.max", "max 100000");
  EXPECT_EQ(cpu_quota(root_), std::nullopt);
}

TEST_F(Topology, TheTightestGroupOfTheHierarchyCounts) {
  write("proc/self/cgroup", "0::/a/b/c");
  write("sys/fs/cgroup/a/b/c/cpu.max", "400000 100000");
  write("sys/fs/cgroup/a/b/cpu.max", "max 100000");
  write("sys/fs/cgroup/a/cpu.max", "150000 100000");
  EXPECT_EQ(cpu_quota(root_), 1.5);
  write("sys/fs/cgroup/cpu.max", "50000 100000");
  EXPECT_EQ(cpu_quota(root_), 0.5);
}

TEST_F(Topology, AContainersOwnGroupIsTheRootOfTheMount) {
  write("proc/self/cgroup", "0::/outside/of/the/mount");
  write("sys/fs/cgroup/cpu.max", "200000 100000");
  EXPECT_EQ(cpu_quota(root_), 2.0);
}

TEST_F(Topology, VersionOneGroups) {
  write("proc/self/cgroup", "5:memory:/m\n4:cpu,cpuacct:/g\n0::/");
  write("sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_quota_us", "300000");
  write("sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_period_us", "100000");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
  EXPECT_EQ(cpu_quota(root_), 3.0);
}

TEST_F(Topology, NonsenseIsNoLimit) {
  write("proc/self/cgroup", "no colons\n0::/");
  for (const char* text : {"", "x y", "-5 100000", "100000 0", "100000"}) {
    write("sys/fs/cgroup/cpu.max", text);
    EXPECT_EQ(cpu_quota(root_), std::nullopt) << text;
  }
}

TEST(ThisProcess, HasCoresAndThreadsForThem) {
  EXPECT_GE(process_cores().size(), 1u);
  EXPECT_GE(default_threads(), 1);
  EXPECT_LE(default_threads(), static_cast<int>(process_cores().size()));
}

}  // namespace
}  // namespace octavo
