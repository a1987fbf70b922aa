// The one exception type of Octavo.
#pragma once

#include <stdexcept>
#include <string>

namespace octavo {

enum class ErrorCode {
  kBadFile,      // a file is damaged, hostile or of another format than expected
  kBadRequest,   // an argument or request is out of range or contradicts another
  kUnsupported,  // well-formed, but a feature Octavo does not have
  kOutOfMemory,
  kIo,  // the operating system refused: missing file, full disk, permission
  kCancelled,
  kInternal,
};

/// Thrown by every function of Octavo that fails. `what()` says what was wrong, where, and what was
/// expected, in one line.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace octavo
