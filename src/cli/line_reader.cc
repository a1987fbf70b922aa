#include "cli/line_reader.h"

#include <editline/readline.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "cli/answer_printer.h"

namespace octavo::cli {

LineReader::LineReader() : terminal_(stdin_is_terminal() && stdout_is_terminal()) {
  if (!terminal_) return;
  // The editor counts characters, not bytes.
  std::setlocale(LC_CTYPE, "");
  if (MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  rl_catch_signals = 0;  // Ctrl-C is the chat's business
  using_history();
}

std::optional<std::string> LineReader::read(const char* prompt) {
  if (!terminal_) {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  }
  errno = 0;
  const std::unique_ptr<char, decltype(&std::free)> line(readline(prompt), std::free);
  if (!line) {
    std::fputs("\n", stdout);
    return errno == EINTR ? std::optional<std::string>("") : std::nullopt;
  }
  std::string text = line.get();
  if (!text.empty()) add_history(text.c_str());
  return text;
}

}  // namespace octavo::cli
