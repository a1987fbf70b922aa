// cli: a streamed answer on standard output.
#pragma once

#include <string_view>

#include "octavo/generation.h"

namespace octavo::cli {

/// Visible text goes out as it comes; reasoning is shown dimmed, and on terminals only. Terminals
/// get no control characters but newline and tab: a model's text must not steer them.
class AnswerPrinter {
 public:
  AnswerPrinter();

  void print(const Event& event);
  /// Ends the line of the answer. Throws kIo if standard output refused anything.
  void finish();

 private:
  void write(std::string_view text);
  void set_dimmed(bool dimmed);

  bool terminal_;
  bool dimmed_ = false;
  bool line_open_ = false;
};

bool stdout_is_terminal();
bool stdin_is_terminal();

/// The text without control characters other than newline and tab.
std::string without_control_characters(std::string_view text);

}  // namespace octavo::cli
