#include "checkpoint/gguf.h"

#include <cstring>

#include "fixtures.h"

namespace octavo {
namespace {

using testing::expect_error;
using testing::u32;
using testing::u64;

std::string text(std::string_view value) {
  return u64(value.size()).append(value);
}

std::string f32(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return u32(bits);
}

enum : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};

std::string key(std::string_view name, uint32_t type, const std::string& value) {
  return text(name) + u32(type) + value;
}

std::string tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                   uint64_t offset) {
  std::string info = text(name) + u32(static_cast<uint32_t>(dims.size()));
  for (uint64_t dim : dims) info += u64(dim);
  return info + u32(type) + u64(offset);
}

std::string file(uint64_t tensors, uint64_t keys, const std::string& body,
                 const std::string& data = "", size_t alignment = 32, uint32_t version = 3) {
  std::string bytes = "GGUF" + u32(version) + u64(tensors) + u64(keys) + body;
  if (tensors > 0) bytes.append((alignment - bytes.size() % alignment) % alignment, '\0');
  return bytes + data;
}

GgufContents parse(std::string_view bytes) {
  return parse_gguf(std::as_bytes(std::span(bytes)), "x.gguf");
}

void expect_bad(const std::string& bytes, const std::string& part) {
  expect_error(ErrorCode::kBadFile, {"x.gguf", part}, [&] { parse(bytes); });
}

void expect_bad_tensor(const std::string& info, const std::string& data, const std::string& part) {
  expect_error(ErrorCode::kBadFile, {"x.gguf", "tensor 't'", part},
               [&] { parse(file(1, 0, info, data)); });
}

std::string imatrix(uint32_t version = 3) {
  const std::string keys =
      key("general.type", kString, text("imatrix")) + key("imatrix.chunk_count", kU32, u32(7)) +
      key("imatrix.datasets", kArray, u32(kString) + u64(2) + text("a.txt") + text("b.txt"));
  const std::string infos = tensor("blk.0.ffn_up_exps.weight.in_sum2", {4, 2}, 0, 0) +
                            tensor("blk.0.ffn_up_exps.weight.counts", {1, 2}, 0, 32);
  std::string data;
  for (int i = 0; i < 8; ++i) data += f32(static_cast<float>(i));
  data += f32(10) + f32(20) + std::string(24, '\0');
  return file(2, 3, keys + infos, data, 32, version);
}

TEST(Gguf, ReadsAnImatrix) {
  for (uint32_t version : {2u, 3u}) {
    const std::string bytes = imatrix(version);
    const auto contents = parse(bytes);
    EXPECT_EQ(std::get<std::string>(contents.metadata.at("general.type")), "imatrix");
    EXPECT_EQ(std::get<uint64_t>(contents.metadata.at("imatrix.chunk_count")), 7u);
    EXPECT_EQ(std::get<std::vector<std::string>>(contents.metadata.at("imatrix.datasets")),
              (std::vector<std::string>{"a.txt", "b.txt"}));
    const auto& sums = contents.tensors.at("blk.0.ffn_up_exps.weight.in_sum2");
    EXPECT_EQ(sums.shape, (std::vector<int64_t>{4, 2}));
    ASSERT_EQ(sums.bytes.size(), 32u);
    float last;
    std::memcpy(&last, sums.bytes.data() + 28, 4);
    EXPECT_EQ(last, 7.0f);
    const auto& counts = contents.tensors.at("blk.0.ffn_up_exps.weight.counts");
    std::memcpy(&last, counts.bytes.data() + 4, 4);
    EXPECT_EQ(last, 20.0f);
  }
}

TEST(Gguf, ReadsEveryKindOfValue) {
  const std::string keys =
      key("u8", kU8, "\xff") + key("i8", kI8, "\xff") + key("u16", kU16, "\xff\xff") +
      key("i16", kI16, "\xfe\xff") + key("i32", kI32, "\xfd\xff\xff\xff") +
      key("f32", kF32, f32(1.5f)) + key("yes", kBool, "\1") + key("u64", kU64, u64(UINT64_MAX)) +
      key("i64", kI64, u64(UINT64_MAX)) + key("f64", kF64, u64(0x4004000000000000)) +
      key("numbers", kArray, u32(kI16) + u64(2) + std::string("\1\0\xff\xff", 4)) +
      key("bools", kArray, u32(kBool) + u64(2) + std::string("\1\0", 2)) +
      key("none", kArray, u32(kString) + u64(0));
  const auto metadata = parse(file(0, 13, keys)).metadata;
  EXPECT_EQ(std::get<uint64_t>(metadata.at("u8")), 255u);
  EXPECT_EQ(std::get<int64_t>(metadata.at("i8")), -1);
  EXPECT_EQ(std::get<uint64_t>(metadata.at("u16")), 65535u);
  EXPECT_EQ(std::get<int64_t>(metadata.at("i16")), -2);
  EXPECT_EQ(std::get<int64_t>(metadata.at("i32")), -3);
  EXPECT_EQ(std::get<double>(metadata.at("f32")), 1.5);
  EXPECT_EQ(std::get<bool>(metadata.at("yes")), true);
  EXPECT_EQ(std::get<uint64_t>(metadata.at("u64")), UINT64_MAX);
  EXPECT_EQ(std::get<int64_t>(metadata.at("i64")), -1);
  EXPECT_EQ(std::get<double>(metadata.at("f64")), 2.5);
  EXPECT_EQ(std::get<std::vector<double>>(metadata.at("numbers")), (std::vector<double>{1, -1}));
  EXPECT_EQ(std::get<std::vector<double>>(metadata.at("bools")), (std::vector<double>{1, 0}));
  EXPECT_TRUE(std::get<std::vector<std::string>>(metadata.at("none")).empty());
}

TEST(Gguf, HonoursTheAlignment) {
  const std::string keys = key("general.alignment", kU32, u32(128));
  const std::string infos = tensor("a", {1}, 0, 0) + tensor("b", {32}, 8, 128);
  const std::string data = f32(1) + std::string(124, '\0') + std::string(34, 'q');
  const std::string bytes = file(2, 1, keys + infos, data, 128);
  EXPECT_EQ(parse(bytes).tensors.at("b").bytes.size(), 34u);
  for (uint32_t bad : {0u, 3u, 48u, 1u << 21}) {
    expect_bad(file(0, 1, key("general.alignment", kU32, u32(bad))), "general.alignment");
  }
  expect_bad(file(0, 1, key("general.alignment", kString, text("32"))), "general.alignment");
}

TEST(Gguf, RefusesOtherFiles) {
  expect_bad("", "not a GGUF file");
  expect_bad("GGU", "not a GGUF file");
  expect_bad("GGML" + std::string(100, '\0'), "not a GGUF file");
  expect_bad(file(0, 0, "", "", 32, 1), "version 1");
  expect_bad(file(0, 0, "", "", 32, 4), "version 4");
  expect_bad(file(0, 0, "", "", 32, 0x03000000), "version 50331648");
}

TEST(Gguf, RefusesTruncationAnywhere) {
  const std::string whole = imatrix();
  // The last 24 bytes are padding, which writers may leave out.
  for (size_t size = 0; size < whole.size() - 24; ++size) {
    EXPECT_THROW(parse(std::string_view(whole).substr(0, size)), Error) << size;
  }
  EXPECT_NO_THROW(parse(std::string_view(whole).substr(0, whole.size() - 24)));
}

TEST(Gguf, RefusesLyingCounts) {
  expect_bad(file(UINT64_MAX, 0, ""), "cannot fit");
  expect_bad(file(0, UINT64_MAX, ""), "cannot fit");
  expect_bad(file(0, 2, key("a", kU8, "\1")), "cannot fit");
  expect_bad(file(0, 1, u64(UINT64_MAX) + std::string(20, 'x')), "string of 18446744073709551615");
  expect_bad(file(0, 1, text(std::string(2000, 'k')) + u32(kU8) + "\1"), "string of 2000 bytes");
  expect_bad(file(0, 1, key("a", kString, u64(uint64_t{1} << 62))), "string of");
  expect_bad(file(0, 1, key("a", kArray, u32(kU8) + u64(uint64_t{1} << 40) + "abc")),
             "array of 1099511627776");
  expect_bad(file(0, 1, key("a", kArray, u32(kString) + u64(3) + text(""))), "");
}

TEST(Gguf, RefusesBadKeys) {
  expect_bad(file(0, 1, key("a", 13, "\1")), "'a' has unknown type 13");
  expect_bad(file(0, 1, key("a", kBool, "\2")), "'a' is a bool of value 2");
  expect_bad(file(0, 1, key("a", kArray, u32(kArray) + u64(0))), "array of arrays");
  expect_bad(file(0, 1, key("a", kArray, u32(99) + u64(1) + "x")), "unknown type 99");
  expect_bad(file(0, 2, key("a", kU8, "\1") + key("a", kU8, "\1")), "duplicate GGUF key 'a'");
}

TEST(Gguf, RefusesBadTensors) {
  expect_bad_tensor(tensor("t", {1, 1, 1, 1, 1}, 0, 0), f32(0), "rank 5");
  expect_bad_tensor(tensor("t", {0}, 0, 0), "", "dimension 0");
  expect_bad_tensor(tensor("t", {uint64_t{1} << 63}, 0, 0), "", "out of range");
  expect_bad_tensor(tensor("t", {uint64_t{1} << 32, uint64_t{1} << 32}, 0, 0), "", "overflows");
  expect_bad_tensor(tensor("t", {uint64_t{1} << 62}, 0, 0), "", "overflows");
  expect_bad_tensor(tensor("t", {4}, 4, 0), std::string(16, '\0'), "tensor type 4");
  expect_bad_tensor(tensor("t", {33}, 8, 0), std::string(100, '\0'), "multiple of 32");
  expect_bad_tensor(tensor("t", {1}, 0, 32), std::string(36, '\0'), "offset 32, expected 0");
  expect_bad_tensor(tensor("t", {1}, 0, UINT64_MAX), f32(0), "expected 0");
  expect_bad_tensor(tensor("t", {2}, 0, 0), f32(0), "the file has 4");
}

TEST(Gguf, RefusesOverlapsDuplicatesAndTrailingBytes) {
  const std::string a = tensor("a", {8}, 0, 0);
  expect_bad(file(2, 0, a + tensor("b", {8}, 0, 0), std::string(64, '\0')), "tensor 'b': offset 0");
  expect_bad(file(2, 0, a + tensor("b", {8}, 0, 4), std::string(64, '\0')),
             "offset 4, expected 32");
  expect_bad(file(2, 0, a + tensor("b", {8}, 0, 64), std::string(96, '\0')), "expected 32");
  expect_bad(file(2, 0, a + tensor("a", {8}, 0, 32), std::string(64, '\0')), "appears twice");
  expect_bad(file(1, 0, a, std::string(33, '\0')), "1 bytes after the last tensor");
}

TEST(GgufFile, OpensFromDisk) {
  const TempFolder folder;
  const auto opened = GgufFile::open(folder.write("i.gguf", imatrix()));
  EXPECT_EQ(opened.tensors().size(), 2u);
  EXPECT_EQ(opened.metadata().size(), 3u);
  expect_error(ErrorCode::kBadFile, {"j.gguf", "not a GGUF file"},
               [&] { GgufFile::open(folder.write("j.gguf", "")); });
}

}  // namespace
}  // namespace octavo
