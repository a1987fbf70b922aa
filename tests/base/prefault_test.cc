#include "base/prefault.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/cpu_topology.h"
#include "base/mapped_file.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMiB = size_t{1} << 20;

class PrefaultTest : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  /// A sparse file: its pages are in no cache until somebody reads them.
  fs::path sparse(const std::string& name, size_t size) {
    std::ofstream(folder_ / name).flush();
    fs::resize_file(folder_ / name, size);
    return folder_ / name;
  }

  static size_t resident_pages(const MappedFile& file) {
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> pages((file.bytes().size() + page - 1) / page);
    EXPECT_EQ(
        ::mincore(const_cast<std::byte*>(file.bytes().data()), file.bytes().size(), pages.data()),
        0);
    size_t resident = 0;
    for (const unsigned char flags : pages) resident += flags & 1;
    return resident;
  }

  static void wait(const Prefault& prefault) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (prefault.running() && std::chrono::steady_clock::now() < limit) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_FALSE(prefault.running());
  }

  fs::path folder_ = fs::path(testing::TempDir()) / ("prefault_test_" + std::to_string(::getpid()));
};

TEST_F(PrefaultTest, BringsEveryPageOfEveryFileIn) {
  const MappedFile a(sparse("a", 9 * kMiB + 123)), b(sparse("b", 1)), c(sparse("c", 0));
  ASSERT_EQ(resident_pages(a), 0u);
  const Prefault prefault({a.bytes(), b.bytes(), c.bytes()});
  EXPECT_EQ(prefault.total(), 9 * kMiB + 124);
  wait(prefault);
  EXPECT_EQ(prefault.done(), prefault.total());
  EXPECT_FALSE(prefault.too_large());
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  EXPECT_EQ(resident_pages(a), (9 * kMiB + 123 + page - 1) / page);
  EXPECT_EQ(resident_pages(b), 1u);
}

TEST_F(PrefaultTest, SeveralThreadsShareThePieces) {
  const MappedFile file(sparse("a", 33 * kMiB));
  const int cpu = process_cores().front().cpu;
  const Prefault prefault({file.bytes()}, {cpu, process_cores().back().cpu, cpu});
  wait(prefault);
  EXPECT_EQ(prefault.done(), 33 * kMiB);
  EXPECT_EQ(resident_pages(file), 33 * kMiB / static_cast<size_t>(::sysconf(_SC_PAGESIZE)));
}

TEST_F(PrefaultTest, SurvivesAFileThatWasShortened) {
  const fs::path path = sparse("a", 8 * kMiB);
  const MappedFile file(path);
  fs::resize_file(path, kMiB + 1);
  const Prefault prefault({file.bytes()});
  wait(prefault);
  EXPECT_EQ(prefault.done(), 8 * kMiB);
}

TEST_F(PrefaultTest, LeavesFilesAloneThatWouldPushOutTheRest) {
  const MappedFile file(sparse("a", 8 * kMiB));
  const Prefault refused({file.bytes()}, {}, 10 * kMiB - 5);
  EXPECT_TRUE(refused.too_large());
  EXPECT_FALSE(refused.running());
  EXPECT_EQ(refused.done(), 0u);
  EXPECT_EQ(refused.total(), 8 * kMiB);
  EXPECT_EQ(resident_pages(file), 0u);
  const Prefault fits({file.bytes()}, {}, 10 * kMiB);
  EXPECT_FALSE(fits.too_large());
}

TEST_F(PrefaultTest, StopsAtOnce) {
  const size_t size = size_t{1} << 40;
  const MappedFile file(sparse("a", size));
  const auto start = std::chrono::steady_clock::now();
  {
    const Prefault prefault({file.bytes()}, {}, std::nullopt);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(AvailableMemory, IsKnownHere) {
  ASSERT_TRUE(Prefault::available_memory());
  EXPECT_GT(*Prefault::available_memory(), kMiB);
}

}  // namespace
}  // namespace octavo
