// base: outputs that appear under their name only when they are complete.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include "base/output_file.h"

namespace octavo {

/// A folder filled under the name `<target>.partial-<pid>` beside its target, so that a rename
/// finishes it. A killed process leaves only that name behind, without the lock that a live one
/// holds on it; the next run for the same target removes it.
class OutputFolder {
 public:
  /// Throws kIo if the folder cannot be made, kBadRequest if `target` has no name.
  explicit OutputFolder(const std::filesystem::path& target);
  ~OutputFolder();  // removes the folder unless it was committed
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::filesystem::path& path() const { return partial_; }
  const std::filesystem::path& target() const { return target_; }

  /// Syncs the files and renames the folder to the target. Throws kBadRequest if the target exists,
  /// unless `force`: then the two are swapped and the old one is deleted. What is not a folder, or
  /// holds folders (an output never does), is not replaced even so.
  void commit(bool force = false);

 private:
  std::filesystem::path target_;
  std::filesystem::path partial_;
  int lock_ = -1;  // descriptor of the folder, locked; -1 where the file system has no locks
  bool committed_ = false;
};

/// Throws kBadRequest if `target` exists and `force` is not set: to fail before the work, not
/// after.
void check_output_free(const std::filesystem::path& target, bool force);

/// Fills a file under a temporary name beside it, syncs, and renames it over `path`. Throws
/// kBadRequest if `path` is there and no regular file: a rename would replace even a device.
void write_file_atomically(const std::filesystem::path& path,
                           const std::function<void(OutputFile&)>& fill);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

}  // namespace octavo
