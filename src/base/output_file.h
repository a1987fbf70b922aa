// base: a new file written at offsets; errors name it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace octavo {

class OutputFile {
 public:
  /// Creates the file. Throws kIo if it exists already or cannot be created.
  explicit OutputFile(const std::filesystem::path& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Sets the size, and allocates the blocks where the file system can: a full disk shows now and
  /// not after an hour.
  void reserve(uint64_t size);
  /// Safe from several threads at once for ranges that do not overlap.
  void write_at(uint64_t offset, std::span<const std::byte> data);
  void sync();

 private:
  [[noreturn]] void fail_with_errno(const char* what) const;

  std::filesystem::path path_;
  int fd_;
};

}  // namespace octavo
