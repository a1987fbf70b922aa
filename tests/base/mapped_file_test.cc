#include "base/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>
#include <utility>

#include "octavo/error.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

class MappedFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "octavo_mapped_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return folder_ / name;
  }

  static std::string text(const MappedFile& file) {
    const auto bytes = file.bytes();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  void expect_error(const fs::path& path, ErrorCode code) {
    try {
      const MappedFile file(path);
      ADD_FAILURE() << path << " was mapped";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_THAT(error.what(), testing::HasSubstr(path.string()));
    }
  }

  fs::path folder_;
};

TEST_F(MappedFileTest, HoldsTheBytes) {
  const std::string content("weights\0\xff\n", 10);
  const auto path = write("a", content);
  const MappedFile file(path);
  EXPECT_EQ(text(file), content);
  EXPECT_EQ(file.path(), path);
}

TEST_F(MappedFileTest, EmptyFileIsAnEmptySpan) {
  const MappedFile file(write("empty", ""));
  EXPECT_TRUE(file.bytes().empty());
  file.release(0, 100);
}

TEST_F(MappedFileTest, MissingFile) {
  expect_error(folder_ / "nothing", ErrorCode::kIo);
}

TEST_F(MappedFileTest, Directory) {
  expect_error(folder_, ErrorCode::kBadFile);
}

// Must fail at once instead of waiting for a writer.
TEST_F(MappedFileTest, Fifo) {
  const auto path = folder_ / "fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  expect_error(path, ErrorCode::kBadFile);
}

TEST_F(MappedFileTest, MovesItsMapping) {
  MappedFile first(write("a", "first"));
  MappedFile second(write("b", "second"));
  MappedFile moved(std::move(first));
  EXPECT_EQ(text(moved), "first");
  moved = std::move(second);
  EXPECT_EQ(text(moved), "second");
  EXPECT_EQ(moved.path(), folder_ / "b");
}

TEST_F(MappedFileTest, ReleasedBytesCanStillBeRead) {
  std::string content(40000, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7);
  const MappedFile file(write("large", content));
  EXPECT_EQ(text(file), content);
  for (size_t offset : {size_t{0}, size_t{1}, size_t{5000}, size_t{39999}, size_t{40000}}) {
    for (size_t length : {size_t{0}, size_t{1}, size_t{9000}, size_t{100000}}) {
      file.release(offset, length);
    }
  }
  file.release(std::numeric_limits<size_t>::max(), 1);
  EXPECT_EQ(text(file), content);
}

}  // namespace
}  // namespace octavo
