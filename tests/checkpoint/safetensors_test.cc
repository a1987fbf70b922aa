#include "checkpoint/safetensors.h"

#include <cstring>

#include "fixtures.h"

namespace octavo {
namespace {

using testing::expect_error;
using testing::safetensors;
using testing::u64;

SafetensorsHeader parse(std::string_view file) {
  return parse_safetensors(std::as_bytes(std::span(file)), "x.safetensors");
}

void expect_bad(std::string_view file, const std::string& part) {
  expect_error(ErrorCode::kBadFile, {"x.safetensors", part}, [&] { parse(file); });
}

// One tensor "t" with these three members, before `data` zero bytes.
void expect_bad_entry(const std::string& entry, size_t data, const std::string& part) {
  const std::string file = safetensors("{\"t\":" + entry + "}", std::string(data, '\0'));
  expect_error(ErrorCode::kBadFile, {"x.safetensors", "tensor 't'", part}, [&] { parse(file); });
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

std::string two_tensors(const std::string& a, const std::string& b) {
  return "{\"a\":" + entry("U8", "[4]", a) + ",\"b\":" + entry("U8", "[4]", b) + "}";
}

TEST(Safetensors, ReadsTensorsInDataOrder) {
  const std::string header = R"({"__metadata__":{"format":"mlx"},"first":)" +
                             entry("BF16", "[2,1]", "[3,7]") +
                             ",\"second\":" + entry("U8", "[3]", "[0,3]") + "}     ";
  const std::string file = safetensors(header, "abcdefg");
  const auto result = parse(file);
  EXPECT_EQ(result.metadata.at("format"), "mlx");
  ASSERT_EQ(result.tensors.size(), 2u);
  EXPECT_EQ(result.tensors[0].name, "second");
  EXPECT_EQ(result.tensors[1].dtype, Dtype::kBF16);
  EXPECT_EQ(result.tensors[1].shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(result.tensors[1].elements(), 2);
  ASSERT_EQ(result.tensors[1].bytes.size(), 4u);
  EXPECT_EQ(std::memcmp(result.tensors[1].bytes.data(), "defg", 4), 0);
}

TEST(Safetensors, AcceptsScalarsEmptyTensorsAndAnEmptyFile) {
  EXPECT_TRUE(parse(safetensors("{}")).tensors.empty());
  const std::string header = "{\"e\":" + entry("F32", "[0,7]", "[4,4]") +
                             ",\"e2\":" + entry("F32", "[0]", "[0,0]") +
                             ",\"s\":" + entry("F32", "[]", "[0,4]") + "}";
  const std::string file = safetensors(header, "1234");
  const auto result = parse(file);
  ASSERT_EQ(result.tensors.size(), 3u);
  EXPECT_EQ(result.tensors[0].name, "e2");
  EXPECT_EQ(result.tensors[1].name, "s");
  EXPECT_EQ(result.tensors[1].elements(), 1);
  EXPECT_EQ(result.tensors[2].elements(), 0);
}

TEST(Safetensors, KnowsEveryDtypeByItsName) {
  for (const char* name : {"BOOL", "U8", "I8", "F8_E4M3", "F8_E8M0", "U16", "I16", "F16", "BF16",
                           "U32", "I32", "F32", "U64", "I64", "F64"}) {
    const std::string file = safetensors({{"t", name, {3}, ""}});
    EXPECT_EQ(to_string(parse(file).tensors.at(0).dtype), name);
  }
}

TEST(Safetensors, RefusesBadHeaderSizes) {
  expect_bad("", "0 bytes are too few");
  expect_bad("1234567", "7 bytes are too few");
  expect_bad(u64(0), "does not start with '{'");
  expect_bad(u64(uint64_t{1} << 63), "expected at most 100000000");
  expect_bad(u64(UINT64_MAX) + "{}", "expected at most 100000000");
  expect_bad(u64(100'000'001) + "{}", "expected at most 100000000");
  expect_bad(u64(3) + "{}", "header of 3 bytes in a file of 10 bytes");
  expect_bad(u64(10) + "{}", "header of 10 bytes in a file of 10 bytes");
}

TEST(Safetensors, RefusesBadJson) {
  expect_bad(safetensors("hello"), "does not start with");
  expect_bad(safetensors("[]"), "does not start with");
  expect_bad(safetensors("{\"a\""), "not valid JSON");
  expect_bad(safetensors("{\"a\": NaN}"), "not valid JSON");
  expect_bad(safetensors("{\"a\": 1e999}"), "not valid JSON");
  expect_bad(safetensors("{\"\xc3\": 1}"), "not valid JSON");
  expect_bad(safetensors("{\"a\":" + std::string(300, '[')), "deeper than 128");
  const std::string twice = "\"t\":" + entry("U8", "[0]", "[0,0]");
  expect_bad(safetensors("{" + twice + "," + twice + "}"), "duplicate JSON key 't'");
}

TEST(Safetensors, RefusesBadNames) {
  const std::string long_name(1'000'000, 'n');
  expect_bad(safetensors({{long_name, "U8", {0}, ""}}), "name of 1000000 bytes");
  expect_bad(safetensors({{"", "U8", {0}, ""}}), "name of 0 bytes");
  EXPECT_EQ(parse(safetensors({{std::string(1024, 'n'), "U8", {0}, ""}})).tensors.size(), 1u);
  // A newline in a name must not reach the error line as such.
  expect_error(ErrorCode::kBadFile, {"tensor 'a?b'"}, [] { parse(safetensors(R"({"a\nb":1})")); });
}

TEST(Safetensors, RefusesBadMetadata) {
  expect_bad(safetensors(R"({"__metadata__":[]})"), "__metadata__ is not a map");
  expect_bad(safetensors(R"({"__metadata__":null})"), "__metadata__ is not a map");
  expect_bad(safetensors(R"({"__metadata__":{"k":1}})"), "__metadata__ entry 'k'");
}

TEST(Safetensors, RefusesBadEntries) {
  expect_bad_entry("1", 0, "not an object");
  expect_bad_entry(R"({"shape":[0],"data_offsets":[0,0]})", 0, "no dtype");
  expect_bad_entry(R"({"dtype":"U8","data_offsets":[0,0]})", 0, "no shape");
  expect_bad_entry(R"({"dtype":"U8","shape":[0]})", 0, "no data_offsets");
  expect_bad_entry(R"({"dtype":8,"shape":[0],"data_offsets":[0,0]})", 0, "dtype is not a string");
  expect_bad_entry(entry("F4", "[1]", "[0,1]"), 1, "unknown dtype 'F4'");
  expect_bad_entry(entry("bf16", "[1]", "[0,2]"), 2, "unknown dtype 'bf16'");
}

TEST(Safetensors, RefusesBadShapes) {
  expect_bad_entry(entry("U8", "4", "[0,4]"), 4, "shape is not an array");
  expect_bad_entry(entry("U8", "[-4]", "[0,4]"), 4, "shape holds -4");
  expect_bad_entry(entry("U8", "[4.0]", "[0,4]"), 4, "shape holds 4.0");
  expect_bad_entry(entry("U8", "[\"4\"]", "[0,4]"), 4, "shape holds");
  expect_bad_entry(entry("U8", "[9223372036854775808]", "[0,4]"), 4, "is too large");
  expect_bad_entry(entry("U8", "[18446744073709551616]", "[0,4]"), 4, "shape holds");
  // 2^32 * 2^32 * 4 would wrap to 0, 2^62 * 4 * 4 + 4 to 4.
  expect_bad_entry(entry("F32", "[4294967296,4294967296]", "[0,0]"), 0, "overflows");
  expect_bad_entry(entry("F32", "[4611686018427387905,4]", "[0,4]"), 4, "overflows");
  expect_bad_entry(entry("F32", "[4611686018427387904]", "[0,0]"), 0, "overflows");
  std::string rank64 = "[1";
  for (int i = 1; i < 64; ++i) rank64 += ",1";
  expect_bad_entry(entry("U8", rank64 + "]", "[0,1]"), 1, "rank 64");
}

TEST(Safetensors, RefusesBadOffsets) {
  expect_bad_entry(entry("U8", "[4]", "[4]"), 4, "not a pair");
  expect_bad_entry(entry("U8", "[4]", "[0,2,4]"), 4, "not a pair");
  expect_bad_entry(entry("U8", "[4]", "{}"), 4, "not a pair");
  expect_bad_entry(entry("U8", "[4]", "[4,0]"), 4, "reversed");
  expect_bad_entry(entry("U8", "[4]", "[-4,0]"), 4, "data_offsets holds -4");
  expect_bad_entry(entry("U8", "[4]", "[0,5]"), 5, "span 5 bytes, U8 [4] takes 4");
  expect_bad_entry(entry("F8_E4M3", "[4]", "[0,8]"), 8, "span 8 bytes, F8_E4M3 [4] takes 4");
  expect_bad_entry(entry("U8", "[4]", "[0,4]"), 3, "the file has 3");
  expect_bad_entry(entry("U8", "[4]", "[2,6]"), 6, "(hole)");
  expect_bad_entry(entry("U8", "[0]", "[1,1]"), 1, "(hole)");
  expect_bad_entry(entry("U8", "[4]", "[18446744073709551612,18446744073709551616]"), 4,
                   "data_offsets holds");
  expect_bad_entry(entry("U8", "[4]", "[18446744073709551611,18446744073709551615]"), 4, "hole");
}

TEST(Safetensors, RefusesOverlapsHolesAndUnownedData) {
  EXPECT_EQ(parse(safetensors(two_tensors("[4,8]", "[0,4]"), "12345678")).tensors.size(), 2u);
  expect_bad(safetensors(two_tensors("[0,4]", "[2,6]"), "123456"), "'b' starts at byte 2");
  expect_bad(safetensors(two_tensors("[0,4]", "[0,4]"), "1234"), "(overlap)");
  expect_bad(safetensors(two_tensors("[0,4]", "[5,9]"), "123456789"), "(hole)");
  expect_bad(safetensors(two_tensors("[0,4]", "[4,8]"), "123456789"), "cover 8 bytes");
  expect_bad(safetensors(two_tensors("[0,4]", "[4,8]"), "1234567"), "the file has 7");
}

TEST(SafetensorsFile, OpensAndNoticesChanges) {
  const TempFolder folder;
  const std::string content = safetensors({{"t", "U8", {4}, "abcd"}});
  const auto path = folder.write("a.safetensors", content);
  const auto file = SafetensorsFile::open(path);
  EXPECT_EQ(file.tensors().at(0).name, "t");
  EXPECT_NO_THROW(file.check_unchanged());
  std::filesystem::resize_file(path, content.size() - 2);
  expect_error(ErrorCode::kBadFile, {"a.safetensors", "changed"}, [&] { file.check_unchanged(); });
  expect_error(ErrorCode::kBadFile, {"a.safetensors", "the file has 2"},
               [&] { SafetensorsFile::open(path); });
  std::filesystem::remove(path);
  expect_error(ErrorCode::kIo, {"a.safetensors"}, [&] { file.check_unchanged(); });
}

}  // namespace
}  // namespace octavo
