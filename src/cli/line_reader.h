// cli: lines from a person at a terminal (with editing and history) or from a pipe.
#pragma once

#include <optional>
#include <string>

namespace octavo::cli {

class LineReader {
 public:
  LineReader();

  /// The next line without its newline; nothing at the end of the input. Ctrl-C at a terminal drops
  /// what was typed and gives an empty line.
  std::optional<std::string> read(const char* prompt);

 private:
  bool terminal_;
};

}  // namespace octavo::cli
