#include "base/output_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <optional>
#include <sstream>

#include "octavo/error.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

class OutputFolderTest : public ::testing::Test {
 protected:
  OutputFolderTest() {
    std::string name = (fs::temp_directory_path() / "octavo-test-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    target_ = root_ / "out";
  }
  ~OutputFolderTest() override { fs::remove_all(root_); }

  static void put(const fs::path& file, std::string_view text) { std::ofstream(file) << text; }

  static std::string get(const fs::path& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
  }

  size_t entries() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(root_), fs::directory_iterator()));
  }

  static ErrorCode code_of(const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kCancelled;  // none of the errors below
  }

  fs::path root_, target_;
};

TEST_F(OutputFolderTest, AppearsOnCommitOnly) {
  OutputFolder folder(target_);
  put(folder.path() / "a", "1");
  EXPECT_FALSE(fs::exists(target_));
  folder.commit();
  EXPECT_EQ(get(target_ / "a"), "1");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(OutputFolderTest, LeavesNothingWhenGivenUp) {
  {
    const OutputFolder folder(target_);
    put(folder.path() / "a", "1");
    EXPECT_EQ(entries(), 1u);
  }
  EXPECT_EQ(entries(), 0u);
}

TEST_F(OutputFolderTest, MakesParentsAndIgnoresATrailingSlash) {
  OutputFolder folder(root_ / "x" / "y" / "out" / "");
  folder.commit();
  EXPECT_TRUE(fs::is_directory(root_ / "x" / "y" / "out"));
  for (const char* path : {"", ".", "..", "/", "x/.."}) {
    EXPECT_EQ(code_of([&] { OutputFolder{fs::path(path)}; }), ErrorCode::kBadRequest) << path;
  }
}

TEST_F(OutputFolderTest, ReplacesOnlyWhenForced) {
  fs::create_directory(target_);
  put(target_ / "old", "1");
  {
    OutputFolder folder(target_);
    put(folder.path() / "new", "2");
    EXPECT_EQ(code_of([&] { folder.commit(); }), ErrorCode::kBadRequest);
    EXPECT_EQ(get(target_ / "old"), "1");
    folder.commit(true);
  }
  EXPECT_EQ(get(target_ / "new"), "2");
  EXPECT_FALSE(fs::exists(target_ / "old"));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(OutputFolderTest, NeverReplacesWhatIsNoOutput) {
  fs::create_directories(target_ / "photos");
  OutputFolder folder(target_);
  EXPECT_EQ(code_of([&] { folder.commit(true); }), ErrorCode::kBadRequest);
  EXPECT_TRUE(fs::exists(target_ / "photos"));
  fs::remove_all(target_);
  put(target_, "a file");
  EXPECT_EQ(code_of([&] { folder.commit(true); }), ErrorCode::kBadRequest);
  EXPECT_EQ(get(target_), "a file");
}

TEST_F(OutputFolderTest, RemovesWhatAKilledProcessLeft) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto* folder = new OutputFolder(target_);
    put(folder->path() / "a", "1");
    ::_exit(0);  // no destructor, as after a kill
  }
  ::waitpid(child, nullptr, 0);
  ASSERT_EQ(entries(), 1u);
  put(root_ / "out.partial-notes", "kept");
  OutputFolder folder(target_);
  folder.commit();
  EXPECT_EQ(entries(), 2u);
  EXPECT_EQ(get(root_ / "out.partial-notes"), "kept");
}

TEST_F(OutputFolderTest, LeavesALiveRunAlone) {
  const OutputFolder first(target_);
  put(first.path() / "a", "1");
  // The same process id, so the same name: refused, and the first one is unharmed.
  EXPECT_EQ(code_of([&] { OutputFolder second(target_); }), ErrorCode::kIo);
  EXPECT_EQ(get(first.path() / "a"), "1");
}

TEST_F(OutputFolderTest, ReportsAFolderThatCannotBeMade) {
  put(root_ / "file", "");
  EXPECT_EQ(code_of([&] { OutputFolder folder(root_ / "file" / "out"); }), ErrorCode::kIo);
}

TEST_F(OutputFolderTest, WritesFilesAside) {
  const fs::path file = root_ / "a.txt";
  write_file_atomically(file, "one");
  EXPECT_EQ(get(file), "one");
  write_file_atomically(file, "two");
  EXPECT_EQ(get(file), "two");
  EXPECT_EQ(entries(), 1u);
  fs::create_directory(root_ / "d");
  EXPECT_EQ(code_of([&] { write_file_atomically(root_ / "d", "x"); }), ErrorCode::kBadRequest);
  EXPECT_EQ(code_of([&] { write_file_atomically(root_ / "no" / "f", "x"); }), ErrorCode::kIo);
  EXPECT_EQ(entries(), 2u);
}

}  // namespace
}  // namespace octavo
