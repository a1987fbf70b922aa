#include "checkpoint/safetensors_writer.h"

#include <cstring>
#include <map>
#include <thread>

#include "checkpoint/json_file.h"
#include "checkpoint/safetensors.h"
#include "fixtures.h"

namespace octavo {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;
using testing::read_file;

constexpr const char* kIndex = "model.safetensors.index.json";

// Bytes that tell tensors and positions apart.
std::string content(const TensorPlan& tensor) {
  std::string bytes;
  for (uint64_t i = 0; i < tensor.bytes(); ++i) {
    bytes += static_cast<char>(tensor.name.back() * 31 + static_cast<int>(i % 251));
  }
  return bytes;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

void write_all(SafetensorsWriter& writer) {
  for (const TensorPlan& tensor : writer.order())
    writer.write(tensor.name, 0, bytes_of(content(tensor)));
}

std::vector<TensorPlan> plan() {
  return {{"c", Dtype::kU8, {192}},
          {"a.scalar", Dtype::kBF16, {1}},
          {"b", Dtype::kBF16, {2, 64}},
          {"d.empty", Dtype::kF32, {0}},
          {"a", Dtype::kU32, {4, 16}}};
}

TEST(SafetensorsWriter, WritesOneAlignedFileAndItsIndex) {
  const TempFolder folder;
  SafetensorsWriter writer(folder.path(), plan());
  std::vector<std::string> order;
  for (const auto& tensor : writer.order()) order.push_back(tensor.name);
  EXPECT_THAT(order, ElementsAre("a", "b", "c", "d.empty", "a.scalar"));
  write_all(writer);
  writer.finish();

  const auto file = SafetensorsFile::open(folder / "model.safetensors");
  EXPECT_EQ(file.metadata().at("format"), "mlx");
  ASSERT_EQ(file.tensors().size(), 5u);
  const auto* start = file.file().bytes().data();
  EXPECT_EQ((file.tensors()[0].bytes.data() - start) % 16384, 0);
  for (const TensorView& tensor : file.tensors()) {
    const std::string expected = content({tensor.name, tensor.dtype, tensor.shape});
    EXPECT_EQ(std::memcmp(tensor.bytes.data(), expected.data(), expected.size()), 0) << tensor.name;
    if (tensor.bytes.size() % 64 != 0) continue;
    EXPECT_EQ((tensor.bytes.data() - start) % 64, 0) << tensor.name;
  }
  const std::string raw = read_file(folder / "model.safetensors");
  EXPECT_EQ(raw.substr(8, 34), R"({"__metadata__":{"format":"mlx"},")");
  const auto index = read_json_file(folder / kIndex);
  EXPECT_EQ(index["metadata"]["total_size"], 256 + 256 + 192 + 0 + 2);
  EXPECT_EQ(index["weight_map"].size(), 5u);
  EXPECT_EQ(index["weight_map"]["b"], "model.safetensors");
}

TEST(SafetensorsWriter, FillsShardsGreedilyByName) {
  const TempFolder folder;
  // 256 + 2 fit 300; b (256) does not; c (192) and d.empty not beside b; then the next.
  SafetensorsWriter writer(folder.path(), plan(), 300);
  write_all(writer);
  writer.finish();
  std::map<std::string, std::vector<std::string>> shards;
  const auto index = read_json_file(folder / kIndex);
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    shards[shard.get<std::string>()].push_back(tensor);
  }
  ASSERT_EQ(shards.size(), 3u);
  EXPECT_THAT(shards["model-00001-of-00003.safetensors"], ElementsAre("a", "a.scalar"));
  EXPECT_THAT(shards["model-00002-of-00003.safetensors"], ElementsAre("b"));
  EXPECT_THAT(shards["model-00003-of-00003.safetensors"], ElementsAre("c", "d.empty"));
  EXPECT_FALSE(std::filesystem::exists(folder / "model.safetensors"));
}

TEST(SafetensorsWriter, GivesALargeTensorItsOwnShard) {
  const TempFolder folder;
  SafetensorsWriter writer(folder.path(), plan(), 200);
  write_all(writer);
  writer.finish();
  EXPECT_EQ(SafetensorsFile::open(folder / "model-00001-of-00004.safetensors").tensors().size(),
            1u);
}

TEST(SafetensorsWriter, TheSamePlanGivesTheSameBytes) {
  const TempFolder first, second;
  for (const TempFolder* folder : {&first, &second}) {
    auto tensors = plan();
    if (folder == &second) std::reverse(tensors.begin(), tensors.end());
    SafetensorsWriter writer(folder->path(), tensors);
    write_all(writer);
    writer.finish();
  }
  EXPECT_EQ(read_file(first / "model.safetensors"), read_file(second / "model.safetensors"));
  EXPECT_EQ(read_file(first / kIndex), read_file(second / kIndex));
}

TEST(SafetensorsWriter, TakesPiecesInAnyOrderAndFromThreads) {
  const TempFolder folder;
  const TensorPlan tensor{"t", Dtype::kU8, {100000}};
  const std::string expected = content(tensor);
  SafetensorsWriter writer(folder.path(), {tensor});
  const auto write_pieces = [&](size_t first) {
    for (size_t at = first * 1000; at < expected.size(); at += 2000) {
      writer.write("t", at, bytes_of(expected).subspan(at, 1000));
    }
  };
  std::thread odd(write_pieces, 1);
  write_pieces(0);
  odd.join();
  writer.finish();
  const auto file = SafetensorsFile::open(folder / "model.safetensors");
  EXPECT_EQ(std::memcmp(file.tensors()[0].bytes.data(), expected.data(), expected.size()), 0);
}

TEST(SafetensorsWriter, RefusesBytesTwiceOutsideOrMissing) {
  const TempFolder folder;
  SafetensorsWriter writer(folder.path(), {{"t", Dtype::kU8, {100}}});
  const std::string data(200, 'x');
  const auto write = [&](uint64_t offset, uint64_t size) {
    writer.write("t", offset, bytes_of(data).subspan(0, size));
  };
  write(20, 20);
  write(60, 20);
  for (const auto& [offset, size] : {std::pair{20, 1}, {39, 1}, {0, 21}, {30, 20}, {10, 90}}) {
    expect_error(ErrorCode::kInternal, {"'t'", "written twice"}, [&] { write(offset, size); });
  }
  expect_error(ErrorCode::kInternal, {"'t'", "of 100"}, [&] { write(90, 11); });
  expect_error(ErrorCode::kInternal, {"'t'", "of 100"}, [&] { write(101, 0); });
  expect_error(ErrorCode::kInternal, {"'t'", "of 100"}, [&] { write(UINT64_MAX, 2); });
  expect_error(ErrorCode::kInternal, {"'u' is not planned"}, [&] { writer.write("u", 0, {}); });
  write(40, 20);
  write(0, 20);
  expect_error(ErrorCode::kInternal, {"'t'", "not written in full"}, [&] { writer.finish(); });
  EXPECT_FALSE(std::filesystem::exists(folder / kIndex));
  write(80, 20);
  EXPECT_NO_THROW(writer.finish());
}

TEST(SafetensorsWriter, RefusesBadPlansAndFolders) {
  const TempFolder folder;
  expect_error(ErrorCode::kBadRequest, {"at least one tensor"},
               [&] { SafetensorsWriter(folder.path(), {}); });
  expect_error(ErrorCode::kBadRequest, {"'a' is planned twice"}, [&] {
    SafetensorsWriter(folder.path(), {{"a", Dtype::kU8, {1}}, {"a", Dtype::kU8, {2}}});
  });
  expect_error(ErrorCode::kBadFile, {"a", "overflows"}, [&] {
    SafetensorsWriter(folder.path(), {{"a", Dtype::kF32, {int64_t{1} << 40, int64_t{1} << 40}}});
  });
  expect_error(ErrorCode::kIo, {"nowhere", "cannot create"},
               [&] { SafetensorsWriter(folder / "nowhere", plan()); });
  folder.write("model.safetensors", "");
  expect_error(ErrorCode::kIo, {"model.safetensors", "cannot create"},
               [&] { SafetensorsWriter(folder.path(), plan()); });
}

}  // namespace
}  // namespace octavo
