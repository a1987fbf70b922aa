#include "base/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/fail.h"

namespace octavo {

OutputFile::OutputFile(const std::filesystem::path& path)
    : path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) {
  if (fd_ < 0) fail_with_errno("create");
}

OutputFile::~OutputFile() {
  ::close(fd_);
}

void OutputFile::fail_with_errno(const char* what) const {
  fail(ErrorCode::kIo, "{}: cannot {}: {}", path_.string(), what, std::strerror(errno));
}

void OutputFile::reserve(uint64_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) fail_with_errno("set the size");
#ifdef __linux__
  // Not posix_fallocate: where blocks cannot be reserved it would write zeros over the whole file.
  if (size != 0 && ::fallocate(fd_, 0, 0, static_cast<off_t>(size)) != 0 && errno == ENOSPC) {
    fail_with_errno("reserve space");
  }
#endif
}

void OutputFile::write_at(uint64_t offset, std::span<const std::byte> data) {
  // One call writes at most 2 GiB less a page on Linux.
  constexpr size_t kMaxCall = size_t{1} << 30;
  while (!data.empty()) {
    const ssize_t written =
        ::pwrite(fd_, data.data(), std::min(data.size(), kMaxCall), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      fail_with_errno("write");
    }
    offset += static_cast<uint64_t>(written);
    data = data.subspan(static_cast<size_t>(written));
  }
}

void OutputFile::sync() {
  if (::fsync(fd_) != 0) fail_with_errno("sync");
}

}  // namespace octavo
