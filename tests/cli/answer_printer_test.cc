#include "cli/answer_printer.h"

#include <gtest/gtest.h>

namespace octavo::cli {
namespace {

TEST(AnswerPrinterTest, ControlCharactersDoNotReachATerminal) {
  EXPECT_EQ(without_control_characters("a\x1b[2Jb\a\r\x7f"), "a[2Jb");
  EXPECT_EQ(without_control_characters("\xc2\x9b"
                                       "31m"),
            "31m");  // CSI as one character
  EXPECT_EQ(without_control_characters("tab\tline\nPer\xc3\xba \xc2\xa0"),
            "tab\tline\nPer\xc3\xba \xc2\xa0");
}

TEST(AnswerPrinterTest, PrintsTextAndEndsItsLineOnce) {
  testing::internal::CaptureStdout();
  AnswerPrinter printer;
  printer.print({.text = "thought", .is_reasoning = true});  // not on a terminal
  printer.print({.text = "one"});
  printer.print({.text = " two\n"});
  printer.finish();
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "one two\n");
}

}  // namespace
}  // namespace octavo::cli
