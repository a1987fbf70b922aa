#include "text/utf8.h"

#include <gtest/gtest.h>

#include "text/token_bytes.h"

namespace octavo {
namespace {

std::string whole(std::string bytes) {
  return take_complete_utf8(bytes, /*at_end=*/true);
}

TEST(Utf8, KeepsValidText) {
  for (const char* text : {"", "abc", "é", "\uFFFD", "\U00010000", "\U0010FFFF", "日本"}) {
    EXPECT_EQ(whole(text), text);
  }
}

// The Unicode Standard, table 3-8: one replacement for each maximal subpart.
TEST(Utf8, ReplacesMaximalSubparts) {
  EXPECT_EQ(whole("a\xF1\x80\x80\xE1\x80\xC2"
                  "b\x80"
                  "c\x80\xBF"
                  "d"),
            "a\uFFFD\uFFFD\uFFFD"
            "b\uFFFD"
            "c\uFFFD\uFFFD"
            "d");
  EXPECT_EQ(whole("\xC0\xAF"), "\uFFFD\uFFFD");
  EXPECT_EQ(whole("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");  // a surrogate
  EXPECT_EQ(whole("\xE0\x9F\x80"), "\uFFFD\uFFFD\uFFFD");  // overlong
  EXPECT_EQ(whole("\xF0\x8F\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(whole("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(whole("\xF5\xFF"), "\uFFFD\uFFFD");
}

TEST(Utf8, KeepsTheBeginningOfACharacter) {
  std::string pending = "x\xF0\x9F\x99";
  EXPECT_EQ(take_complete_utf8(pending), "x");
  EXPECT_EQ(pending, "\xF0\x9F\x99");
  pending += "\x82";
  EXPECT_EQ(take_complete_utf8(pending), "🙂");
  EXPECT_EQ(pending, "");
}

TEST(TokenBytes, UndoesTheVocabularysSpelling) {
  EXPECT_EQ(token_bytes("▁the▁▁x"), " the  x");
  EXPECT_EQ(token_bytes("<0x0A>"), "\n");
  EXPECT_EQ(token_bytes("<0xfF>"), "\xFF");
  EXPECT_EQ(token_bytes("<0x00>"), std::string(1, '\0'));
  EXPECT_EQ(token_bytes("<0xG0>"), "<0xG0>");
  EXPECT_EQ(token_bytes("<0x-1>"), "<0x-1>");
  EXPECT_EQ(token_bytes("<0x123>"), "<0x123>");
}

}  // namespace
}  // namespace octavo
