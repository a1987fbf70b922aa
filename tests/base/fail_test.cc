#include "base/fail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace octavo {
namespace {

TEST(Fail, ThrowsTheCodeAndTheFormattedMessage) {
  try {
    fail(ErrorCode::kUnsupported, "{}: {} bits", "a.weight", 7);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_STREQ(error.what(), "a.weight: 7 bits");
  }
}

TEST(Printable, KeepsPlainText) {
  EXPECT_EQ(printable("model.layers.0.mlp"), "model.layers.0.mlp");
  EXPECT_EQ(printable(""), "");
}

TEST(Printable, ReplacesControlCharactersAndInvalidUtf8) {
  EXPECT_EQ(printable("a\nb\tc\x1b[31m\x7f"), "a?b?c?[31m?");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a?b");
  EXPECT_EQ(printable("a\xff"
                      "b\x80"),
            "a?b?");
  EXPECT_EQ(printable("a\xc3"), "a?");  // cut in the middle of a character
}

TEST(Printable, CutsLongText) {
  EXPECT_EQ(printable(std::string(120, 'x')), std::string(120, 'x'));
  const std::string cut = printable(std::string(100000, 'x'));
  EXPECT_LE(cut.size(), 123u);
  EXPECT_THAT(cut, testing::StartsWith(std::string(120, 'x')));
  EXPECT_THAT(printable("abcdef", 3), testing::StartsWith("abc"));
  EXPECT_NE(printable("abcdef", 3), "abcdef");
}

}  // namespace
}  // namespace octavo
