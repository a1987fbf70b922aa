#include "image/data_url.h"

#include "support.h"

namespace octavo {
namespace {

using testing::expect_error;

std::string decoded(std::string_view url) {
  const auto bytes = parse_data_url(url);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(DataUrl, GivesItsContent) {
  EXPECT_EQ(decoded("data:image/png;base64,aGVsbG8="), "hello");
  EXPECT_EQ(decoded("DATA:IMAGE/PNG;BASE64,aGVsbG8="), "hello");
  EXPECT_EQ(decoded("data:image/png;charset=utf-8;base64,aGVsbG8="), "hello");
  EXPECT_EQ(decoded("data:image/x;base64,+/+/"), "\xfb\xff\xbf");
  EXPECT_EQ(decoded("data:image/png;base64,"), "");
}

TEST(DataUrl, RefusesEverythingElse) {
  using namespace std::string_view_literals;
  const std::pair<std::string_view, std::string> cases[] = {
      {"", "begins with \"\""},
      {"data:", "begins with"},
      {"photo.png", "expected data:image/TYPE;base64,DATA"},
      {"https://host/a,b.png", "begins with"},
      {"data:text/plain;base64,aGVsbG8=", "media type \"text/plain;base64\""},
      {"data:;base64,aGVsbG8=", "media type"},
      {"data:image/png,aGVsbG8=", "without base64"},
      {"data:image/png;base64;x,aGVsbG8=", "without base64"},
      {"data:image/png;base64,aGVsbG8", "not base64"},     // padding missing
      {"data:image/png;base64,aGVsbG8==", "not base64"},   // too much of it
      {"data:image/png;base64,aGVs bG8=", "not base64"},   // space
      {"data:image/png;base64,aGVs\nbG8=", "not base64"},  // new line
      {"data:image/png;base64,aGVs-_8=", "not base64"},    // the alphabet of URLs
      {"data:image/png;base64,aGVsbG9=", "not base64"},    // bits behind the last byte
      {"data:image/png;base64,aGVs%2BG8=", "not base64"},  // percent encoding
      {"data:image/png;base64,aGVsbG8=\0"sv, "not base64"},
  };
  for (const auto& [url, part] : cases) {
    SCOPED_TRACE(url);
    expect_error(ErrorCode::kBadRequest, part, [&] { parse_data_url(url); });
  }
}

}  // namespace
}  // namespace octavo
