#include "checkpoint/json_file.h"

#include <sys/stat.h>

#include "fixtures.h"

namespace octavo {
namespace {

using testing::expect_error;

std::string nested(int depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

void expect_bad(std::string_view text, const std::string& part) {
  expect_error(ErrorCode::kBadFile, {"file.json", part}, [&] { parse_json(text, "file.json"); });
}

TEST(Json, ParsesOrdinaryText) {
  const auto json = parse_json(R"({"a": [1, 2.5, "x"], "b": {"a": null}})", "file.json");
  EXPECT_EQ(json["a"][1], 2.5);
  EXPECT_TRUE(json["b"]["a"].is_null());
}

TEST(Json, LimitsDepth) {
  EXPECT_NO_THROW(parse_json(nested(128), "file.json"));
  expect_bad(nested(129), "deeper than 128");
  expect_bad(std::string(200000, '['), "deeper than 128");
  std::string objects;
  for (int i = 0; i < 129; ++i) objects += "{\"a\":";
  expect_bad(objects, "deeper than 128");
}

TEST(Json, RefusesDuplicateKeysOfOneObjectOnly) {
  expect_bad(R"({"a": 1, "b": {}, "a": 2})", "duplicate JSON key 'a'");
  expect_bad(R"([{"x": {"k": 1, "k": 1}}])", "duplicate JSON key 'k'");
  EXPECT_NO_THROW(parse_json(R"([{"a": {"a": 1}}, {"a": 2}])", "file.json"));
}

TEST(Json, RefusesWhatIsNoJson) {
  expect_bad("", "not valid JSON");
  expect_bad("{\"a\": 1} x", "not valid JSON");
  expect_bad("{\"a\": NaN}", "not valid JSON");
  expect_bad("{\"a\": Infinity}", "not valid JSON");
  expect_bad("{\"a\": 1e999}", "not valid JSON");
  expect_bad("{\"a\": -1e999}", "not valid JSON");
  expect_bad("{\"\xff\xfe\": 1}", "not valid JSON");
  expect_bad("{\"a\": \"\\ud800\"}", "not valid JSON");
  expect_bad("{'a': 1}", "not valid JSON");
  expect_bad(std::string_view("{}\0", 3), "not valid JSON");
  expect_bad("{\"a\":\n\n\"\n\"}", "not valid JSON");
}

TEST(Json, BoundsTheNumberOfValues) {
  std::string text = "[0";
  for (int i = 0; i < (4 << 20); ++i) text += ",0";
  expect_bad(text + "]", "JSON values");
}

TEST(JsonFile, LimitsSizeAndKind) {
  const TempFolder folder;
  const auto path = folder.write("a.json", "[1, 2, 3]");
  EXPECT_EQ(read_json_file(path, 9).size(), 3u);
  expect_error(ErrorCode::kBadFile, {"a.json", "9 bytes", "at most 8"},
               [&] { read_json_file(path, 8); });
  expect_error(ErrorCode::kIo, {"none.json"}, [&] { read_json_file(folder / "none.json"); });
  expect_error(ErrorCode::kBadFile, {"not a regular file"}, [&] { read_json_file(folder.path()); });
  ASSERT_EQ(::mkfifo((folder / "fifo.json").c_str(), 0600), 0);
  expect_error(ErrorCode::kBadFile, {"fifo.json", "not a regular file"},
               [&] { read_json_file(folder / "fifo.json"); });
}

}  // namespace
}  // namespace octavo
