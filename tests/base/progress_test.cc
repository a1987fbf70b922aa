#include "base/progress.h"

#include <gtest/gtest.h>

namespace octavo {
namespace {

TEST(Progress, FormatsBytesInDecimalUnits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.00 kB");
  EXPECT_EQ(format_bytes(12345), "12.35 kB");
  EXPECT_EQ(format_bytes(5e6), "5.00 MB");
  EXPECT_EQ(format_bytes(27.58e9), "27.58 GB");
  EXPECT_EQ(format_bytes(1.5e12), "1.50 TB");
  EXPECT_EQ(format_bytes(1.5e15), "1500.00 TB");
}

TEST(Progress, FormatsDurations) {
  EXPECT_EQ(format_duration(0), "0:00");
  EXPECT_EQ(format_duration(7.4), "0:07");
  EXPECT_EQ(format_duration(59.6), "1:00");
  EXPECT_EQ(format_duration(245), "4:05");
  EXPECT_EQ(format_duration(3599), "59:59");
  EXPECT_EQ(format_duration(3723), "1:02:03");
  EXPECT_EQ(format_duration(100 * 3600.0), "100:00:00");
}

TEST(Progress, PrintsNothingWithoutATerminalOrIfQuiet) {
  testing::internal::CaptureStderr();
  {
    Progress piped("convert", 100);  // the captured stderr is a file
    piped.advance(50);
    piped.advance(70);
    Progress quiet("convert", 0, true);
    quiet.advance(1);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace octavo
