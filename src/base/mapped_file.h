// base: a file mapped read-only into memory. Owns the mapping; the bytes are the page cache's own.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace octavo {

class MappedFile {
 public:
  /// Maps the whole regular file. Throws kIo (missing, unreadable) or kBadFile (not a regular
  /// file). An empty file gives an empty span.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  /// Tells the kernel that [offset, offset + length) is not needed any more: keeps the resident set
  /// of a streaming reader small.
  void release(size_t offset, size_t length) const;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace octavo
