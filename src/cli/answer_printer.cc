#include "cli/answer_printer.h"

#include <unistd.h>

#include <cstdio>

#include "base/fail.h"

namespace octavo::cli {

bool stdout_is_terminal() {
  return isatty(STDOUT_FILENO) == 1;
}
bool stdin_is_terminal() {
  return isatty(STDIN_FILENO) == 1;
}

std::string without_control_characters(std::string_view text) {
  std::string clean;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c0 = (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
    // U+0080 to U+009F, C2 80 to C2 9F in UTF-8: terminals take them for escape sequences too.
    const bool c1 =
        byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c1) ++i;
    if (!c0 && !c1) clean += text[i];
  }
  return clean;
}

AnswerPrinter::AnswerPrinter() : terminal_(stdout_is_terminal()) {}

void AnswerPrinter::print(const Event& event) {
  if (event.text.empty() || (event.is_reasoning && !terminal_)) return;
  set_dimmed(event.is_reasoning);
  write(terminal_ ? without_control_characters(event.text) : std::string(event.text));
  std::fflush(stdout);
}

void AnswerPrinter::finish() {
  set_dimmed(false);
  if (line_open_) write("\n");
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
    fail(ErrorCode::kIo, "standard output: cannot write");
  }
}

void AnswerPrinter::write(std::string_view text) {
  if (text.empty()) return;
  std::fwrite(text.data(), 1, text.size(), stdout);
  line_open_ = text.back() != '\n';
}

void AnswerPrinter::set_dimmed(bool dimmed) {
  if (!terminal_ || dimmed == dimmed_) return;
  if (!dimmed && line_open_) write("\n\n");
  std::fputs(dimmed ? "\x1b[2m" : "\x1b[0m", stdout);
  dimmed_ = dimmed;
}

}  // namespace octavo::cli
