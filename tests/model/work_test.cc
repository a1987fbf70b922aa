// What a pass of the small demo model costs, against its shapes worked out by hand: 5 sliding
// layers (window 32, 2 KV heads of 32) and a full one (1 KV head of 64, no v_proj), hidden 192, 4
// query heads, MLP 256, 2 of 8 experts of width 64, vocabulary 2048.
#include <gtest/gtest.h>

#include "model/language_model.h"

namespace octavo {
namespace {

std::unique_ptr<LanguageModel> demo(bool exact = false) {
  return LanguageModel::load(OCTAVO_SOURCE_DIR "/models/capitals", {.exact = exact, .threads = 1});
}

TEST(ModelWorkTest, CountsMultiplyAdds) {
  const ModelWork work = demo()->work();
  const uint64_t sliding = (128 + 64 + 64 + 128) * 192, full = (256 + 64 + 256) * 192;
  const uint64_t every = 3 * 256 * 192 + 8 * 192 + 2 * 3 * 64 * 192;
  EXPECT_EQ(work.token_macs, 5 * sliding + full + 6 * every);
  EXPECT_EQ(work.head_macs, 2048u * 192);
  EXPECT_EQ(work.top_k, 2);
}

TEST(ModelWorkTest, BytesOfATokenAreTheSharedOnesItsRowAndItsExperts) {
  const auto model = demo();
  const ModelWork work = model->work();
  EXPECT_GT(work.shared_bytes, 0u);
  EXPECT_GT(work.expert_bytes, 0u);
  EXPECT_EQ(work.row_bytes, 2u * 192);
  EXPECT_EQ(model->bytes_per_token(), work.shared_bytes + work.row_bytes + 2 * work.expert_bytes);
}

TEST(ModelWorkTest, KeysAndValuesReadSaturateAtTheWindow) {
  const auto model = demo();
  EXPECT_EQ(model->kv_bytes_read(0), 5u * 256 + 256);
  EXPECT_EQ(model->kv_bytes_read(31), 5u * 256 * 32 + 256 * 32);
  EXPECT_EQ(model->kv_bytes_read(99), 5u * 256 * 32 + 256 * 100);
  EXPECT_EQ(demo(true)->kv_bytes_read(99), 2 * model->kv_bytes_read(99));
}

TEST(ModelWorkTest, AttentionSumsOverPositions) {
  const auto model = demo();
  EXPECT_EQ(model->attention_macs(0, 1), 1280u + 512);
  EXPECT_EQ(model->attention_macs(99, 100), 1280u * 32 + 512 * 100);
  EXPECT_EQ(model->attention_macs(0, 100),
            model->attention_macs(0, 40) + model->attention_macs(40, 100));
  EXPECT_EQ(model->attention_macs(7, 7), 0u);
}

TEST(ModelWorkTest, AForwardPassNotesItsTime) {
  const auto model = demo();
  Profile profile;
  model->set_profile(&profile);
  KvCache cache = model->make_cache();
  const std::vector<int32_t> tokens{1, 2, 3};
  const Segment segments[] = {{&cache, 3}};
  const int64_t rows[] = {2};
  std::vector<float> logits(2048);
  model->forward({tokens, segments, rows}, logits);
  EXPECT_EQ(profile.of(Op::kOther).calls, 1u);
  EXPECT_GT(profile.seconds(), 0);
  const double before = profile.seconds();
  model->set_profile(nullptr);
  model->forward({tokens, segments, rows}, logits);
  EXPECT_EQ(profile.seconds(), before);
}

}  // namespace
}  // namespace octavo
