#include "checkpoint/checkpoint.h"

#include <sys/stat.h>

#include <cstring>

#include "fixtures.h"

namespace octavo {
namespace {

using ::testing::Contains;
using testing::expect_error;
using ::testing::HasSubstr;
using testing::safetensors;

constexpr const char* kIndex = "model.safetensors.index.json";

std::string shard(const std::string& name, const std::string& data = "abcd") {
  return safetensors({{name, "U8", {static_cast<int64_t>(data.size())}, data}});
}

class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() { folder_.write("config.json", "{}"); }

  void expect_bad(const std::vector<std::string>& parts, ErrorCode code = ErrorCode::kBadFile) {
    expect_error(code, parts, [&] { Checkpoint::open(folder_.path()); });
  }

  // Two shards and an index over them.
  void write_pair() {
    folder_.write("model-00001-of-00002.safetensors", shard("a"));
    folder_.write("model-00002-of-00002.safetensors", shard("b", "efgh"));
    folder_.write(kIndex, R"({"metadata":{"total_size":8},"weight_map":{
        "a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}})");
  }

  void write_index(const std::string& weight_map) {
    folder_.write(kIndex, "{\"weight_map\":" + weight_map + "}");
  }

  TempFolder folder_;
};

TEST_F(CheckpointTest, ReadsAnIndexedPair) {
  write_pair();
  const auto checkpoint = Checkpoint::open(folder_.path());
  EXPECT_EQ(checkpoint.shard_count(), 2u);
  EXPECT_EQ(checkpoint.payload_bytes(), 8u);
  EXPECT_EQ(checkpoint.tensors().size(), 2u);
  EXPECT_EQ(checkpoint.find("c"), nullptr);
  EXPECT_EQ(std::memcmp(checkpoint.get("b").bytes.data(), "efgh", 4), 0);
  EXPECT_TRUE(checkpoint.notes().empty());
  ASSERT_EQ(checkpoint.mappings().size(), 2u);
  EXPECT_EQ(checkpoint.mappings()[1].data() + checkpoint.mappings()[1].size(),
            checkpoint.get("b").bytes.data() + 4);
  checkpoint.release(checkpoint.get("b"));
  EXPECT_EQ(std::memcmp(checkpoint.get("b").bytes.data(), "efgh", 4), 0);
  EXPECT_NO_THROW(checkpoint.check_unchanged());
  expect_error(ErrorCode::kBadFile, {"no tensor 'c'", folder_.path().string()},
               [&] { checkpoint.get("c"); });
}

TEST_F(CheckpointTest, ProbesFileNamesInOrder) {
  folder_.write("model-of.safetensors", shard("globbed"));
  EXPECT_NE(Checkpoint::open(folder_.path()).find("globbed"), nullptr);
  folder_.write("weights.safetensors", shard("weights"));
  EXPECT_NE(Checkpoint::open(folder_.path()).find("weights"), nullptr);
  folder_.write("model.safetensors", shard("single"));
  EXPECT_NE(Checkpoint::open(folder_.path()).find("single"), nullptr);
  write_pair();
  const auto indexed = Checkpoint::open(folder_.path());
  EXPECT_NE(indexed.find("a"), nullptr);
  EXPECT_EQ(indexed.find("single"), nullptr);
  EXPECT_THAT(indexed.notes(), Contains(HasSubstr("model.safetensors is not named")));
}

TEST_F(CheckpointTest, ReadsASeriesWithoutIndexOnlyInFull) {
  write_pair();
  std::filesystem::remove(folder_ / kIndex);
  EXPECT_EQ(Checkpoint::open(folder_.path()).tensors().size(), 2u);
  std::filesystem::remove(folder_ / "model-00001-of-00002.safetensors");
  expect_bad({"1 of the 2 shards"});
}

TEST_F(CheckpointTest, RefusesFoldersWithoutConfigOrWeights) {
  expect_bad({"no weights"});
  folder_.write("model.safetensors", shard("a"));
  folder_.write("config.json", "[]");
  expect_bad({"config.json", "not a JSON object"});
  std::filesystem::remove(folder_ / "config.json");
  expect_bad({"config.json"}, ErrorCode::kIo);
  expect_error(ErrorCode::kIo, {"model.safetensors", "not a folder"},
               [&] { Checkpoint::open(folder_ / "model.safetensors"); });
  expect_error(ErrorCode::kIo, {"nowhere", "not a folder"},
               [&] { Checkpoint::open(folder_ / "nowhere"); });
}

TEST_F(CheckpointTest, RefusesMissingAndTruncatedShards) {
  write_pair();
  const auto last = folder_ / "model-00002-of-00002.safetensors";
  std::filesystem::resize_file(last, std::filesystem::file_size(last) - 1);
  expect_bad({"model-00002-of-00002.safetensors", "tensor 'b'", "the file has 3"});
  std::filesystem::remove(last);
  expect_bad({"model-00002-of-00002.safetensors"}, ErrorCode::kIo);
}

TEST_F(CheckpointTest, RefusesAnIndexThatContradictsTheShards) {
  write_pair();
  write_index(R"({"a":"model-00001-of-00002.safetensors","b":"model-00001-of-00002.safetensors"})");
  expect_bad({"tensor 'b'", "not in 'model-00001"});
  write_index(R"({"a":"model-00002-of-00002.safetensors","b":"model-00001-of-00002.safetensors"})");
  expect_bad({"tensor 'a' is in 'model-00001", "index says 'model-00002"});
  write_pair();
  folder_.write("model-00002-of-00002.safetensors",
                safetensors({{"b", "U8", {1}, ""}, {"a", "U8", {1}, ""}}));
  expect_bad({"tensor 'a' is in both"});
}

TEST_F(CheckpointTest, RefusesTheSameTensorInTwoShardsWithoutIndex) {
  folder_.write("model-1.safetensors", shard("a"));
  folder_.write("model-2.safetensors", shard("a"));
  expect_bad({"tensor 'a' is in both 'model-1.safetensors' and 'model-2.safetensors'"});
}

TEST_F(CheckpointTest, RefusesShardNamesThatAreNoPlainFileNames) {
  folder_.write("model.safetensors", shard("a"));
  for (const char* name : {"../model.safetensors", "/tmp/model.safetensors", "x/model.safetensors",
                           "..", ".", "", "config.json", ".safetensors", "..\\\\model.safetensors",
                           "model.safetensors\\n", "..safetensors", "mo\\u0000del.safetensors"}) {
    write_index(std::string("{\"a\":\"") + name + "\"}");
    expect_bad({"tensor 'a' lies in", "expected the name of a .safetensors file"});
  }
}

TEST_F(CheckpointTest, RefusesMalformedIndices) {
  folder_.write("model.safetensors", shard("a"));
  for (const char* text : {"[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{"a":1}})",
                           R"({"weight_map":{}})", "{", R"({"weight_map":{"a":"b","a":"b"}})"}) {
    folder_.write(kIndex, text);
    expect_bad({kIndex});
  }
}

TEST_F(CheckpointTest, FollowsLinksToFilesButNotToOtherThings) {
  const TempFolder blobs;
  blobs.write("0123", shard("a"));
  write_index(R"({"a":"model-x.safetensors"})");
  std::filesystem::create_symlink(blobs / "0123", folder_ / "model-x.safetensors");
  EXPECT_NE(Checkpoint::open(folder_.path()).find("a"), nullptr);

  std::filesystem::remove(folder_ / "model-x.safetensors");
  std::filesystem::create_symlink(blobs.path(), folder_ / "model-x.safetensors");
  expect_bad({"model-x.safetensors", "not a regular file"});

  std::filesystem::remove(folder_ / "model-x.safetensors");
  std::filesystem::create_symlink(blobs / "gone", folder_ / "model-x.safetensors");
  expect_bad({"model-x.safetensors"}, ErrorCode::kIo);

  std::filesystem::remove(folder_ / "model-x.safetensors");
  ASSERT_EQ(::mkfifo((folder_ / "model-x.safetensors").c_str(), 0600), 0);
  expect_bad({"model-x.safetensors", "not a regular file"});
}

TEST_F(CheckpointTest, NotesALyingTotalSizeAndUnnamedTensors) {
  folder_.write("model-x.safetensors",
                safetensors({{"a", "U8", {1}, ""}, {"extra", "U8", {1}, ""}}));
  folder_.write(kIndex,
                R"({"metadata":{"total_size":99},"weight_map":{"a":"model-x.safetensors"}})");
  const auto checkpoint = Checkpoint::open(folder_.path());
  EXPECT_NE(checkpoint.find("extra"), nullptr);
  EXPECT_THAT(checkpoint.notes(), Contains(HasSubstr("total_size of 99 bytes")));
  EXPECT_THAT(checkpoint.notes(), Contains(HasSubstr("does not name: 1")));
}

}  // namespace
}  // namespace octavo
