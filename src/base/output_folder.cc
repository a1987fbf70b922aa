#include "base/output_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "base/fail.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPartial = ".partial-";

fs::path parent_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// "models/out/" and "models/out" are the same target.
fs::path without_slash(const fs::path& path) {
  fs::path result = path.lexically_normal();
  if (!result.has_filename()) result = result.parent_path();
  const auto name = result.filename();
  if (name.empty() || name == "." || name == "..") {
    fail(ErrorCode::kBadRequest, "'{}' cannot be an output: it has no name of its own",
         path.string());
  }
  return result;
}

fs::path partial_name(const fs::path& target) {
  return parent_of(target) /
         fmt::format("{}{}{}", target.filename().string(), kPartial, ::getpid());
}

// Opens and locks a folder; -1 and errno if that fails: EWOULDBLOCK where a live process holds the
// lock. Process ids alone would not do: containers that share a folder do not share them.
int try_lock(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || ::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const int reason = errno;
  ::close(fd);
  errno = reason;
  return -1;
}

// Whether `name` is the prefix and a process id.
bool is_partial(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() == prefix.size()) return false;
  name.remove_prefix(prefix.size());
  return name.find_first_not_of("0123456789") == std::string_view::npos;
}

void remove_stale(const fs::path& target) {
  const std::string prefix = target.filename().string().append(kPartial);
  std::vector<fs::path> partials;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent_of(target), error)) {
    if (is_partial(entry.path().filename().string(), prefix)) partials.push_back(entry.path());
  }
  for (const fs::path& path : partials) {
    const int lock = try_lock(path);
    if (lock < 0) continue;
    fs::remove_all(path, error);
    ::close(lock);
  }
}

void sync_path(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const int reason = errno;
  if (fd >= 0) ::close(fd);
  if (!synced) fail(ErrorCode::kIo, "{}: cannot sync: {}", path.string(), std::strerror(reason));
}

void sync_tree(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() || entry.is_directory()) sync_path(entry.path());
  }
  sync_path(folder);
}

void rename_or_fail(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) {
    fail(ErrorCode::kIo, "{}: cannot rename '{}' to it: {}", to.string(), from.string(),
         error.message());
  }
}

bool present(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

// A mistyped target must not cost anybody a home folder.
void check_replaceable(const fs::path& target) {
  std::error_code error;
  if (!fs::is_directory(target, error)) {
    fail(ErrorCode::kBadRequest, "{}: exists and is not a folder", target.string());
  }
  for (const auto& entry : fs::directory_iterator(target, error)) {
    if (entry.is_directory(error)) {
      fail(ErrorCode::kBadRequest, "{}: holds the folder '{}', so it is not replaced",
           target.string(), entry.path().filename().string());
    }
  }
}

// Puts `fresh` in the place of `old`, which then has the name of `fresh`.
void swap_folders(const fs::path& fresh, const fs::path& old) {
#ifdef __linux__
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, old.c_str(), RENAME_EXCHANGE) == 0) return;
#endif
  // Where the file system cannot swap; should the second step fail, the old one goes back.
  fs::path aside = fresh;
  aside += ".old";
  rename_or_fail(old, aside);
  std::error_code error;
  fs::rename(fresh, old, error);
  if (error) {
    rename_or_fail(aside, old);
    fail(ErrorCode::kIo, "{}: cannot replace it: {}", old.string(), error.message());
  }
  rename_or_fail(aside, fresh);
}

}  // namespace

void check_output_free(const std::filesystem::path& target, bool force) {
  if (!present(target)) return;
  if (!force) fail(ErrorCode::kBadRequest, "{}: exists already", target.string());
  check_replaceable(target);
}

OutputFolder::OutputFolder(const std::filesystem::path& target)
    : target_(without_slash(target)), partial_(partial_name(target_)) {
  remove_stale(target_);
  std::error_code error;
  fs::create_directories(parent_of(target_), error);
  if (error || !fs::create_directory(partial_, error)) {
    fail(ErrorCode::kIo, "{}: cannot create folder: {}", partial_.string(),
         error ? error.message() : "it exists");
  }
  lock_ = try_lock(partial_);
  // NFS and others have no locks on folders. There a stale folder looks like a live one and stays.
  if (lock_ < 0 && errno == EWOULDBLOCK) {
    fail(ErrorCode::kIo, "{}: is used by another process", partial_.string());
  }
}

OutputFolder::~OutputFolder() {
  std::error_code error;  // nothing can be done about it here; the next run tries again
  if (!committed_) fs::remove_all(partial_, error);
  if (lock_ >= 0) ::close(lock_);
}

void OutputFolder::commit(bool force) {
  check_output_free(target_, force);
  sync_tree(partial_);
  // Without `force`, a target that appeared meanwhile makes the rename fail.
  if (force && present(target_)) {
    swap_folders(partial_, target_);
    committed_ = true;
    std::error_code error;
    fs::remove_all(partial_, error);
  } else {
    rename_or_fail(partial_, target_);
    committed_ = true;
  }
  sync_path(parent_of(target_));
}

void write_file_atomically(const std::filesystem::path& path,
                           const std::function<void(OutputFile&)>& fill) {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_regular_file(path, error)) {
    fail(ErrorCode::kBadRequest, "{}: exists and is not a regular file", path.string());
  }
  const fs::path partial = partial_name(path);
  fs::remove(partial, error);
  try {
    OutputFile file(partial);
    fill(file);
    file.sync();
    rename_or_fail(partial, path);
  } catch (...) {
    fs::remove(partial, error);
    throw;
  }
  sync_path(parent_of(path));
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  write_file_atomically(
      path, [&](OutputFile& file) { file.write_at(0, std::as_bytes(std::span(text))); });
}

}  // namespace octavo
