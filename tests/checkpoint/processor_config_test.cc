#include "checkpoint/processor_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "../temp_folder.h"
#include "octavo/error.h"

namespace octavo {
namespace {

class ProcessorConfigTest : public testing::Test {
 protected:
  void write(const char* name, const char* text) { folder_.write(name, text); }

  std::optional<int64_t> tokens() const {
    return read_image_tokens(folder_.path(), std::array<int64_t, 3>{70, 140, 560});
  }

  std::string refusal() {
    try {
      tokens();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadFile);
      return error.what();
    }
    return "accepted";
  }

  TempFolder folder_;
};

TEST_F(ProcessorConfigTest, TheProcessorWinsOverTheModel) {
  EXPECT_EQ(tokens(), std::nullopt);
  write("config.json", R"({"vision_soft_tokens_per_image": 140})");
  EXPECT_EQ(tokens(), 140);
  write("preprocessor_config.json", R"({"max_soft_tokens": 560})");
  EXPECT_EQ(tokens(), 560);
  write("processor_config.json", R"({"image_processor": {"max_soft_tokens": 70}})");
  EXPECT_EQ(tokens(), 70);
  write("processor_config.json", R"({"image_processor": {"patch_size": 16}})");
  EXPECT_EQ(tokens(), 560);
}

TEST_F(ProcessorConfigTest, ErrorsNameFileAndKey) {
  for (const char* text : {R"({"image_processor": {"max_soft_tokens": 0}})",
                           R"({"image_processor": {"max_soft_tokens": "280"}})",
                           R"({"image_processor": {"max_soft_tokens": 1e30}})"}) {
    write("processor_config.json", text);
    EXPECT_THAT(refusal(), testing::HasSubstr("processor_config.json: image_processor.max_soft"));
  }
  write("processor_config.json", R"({"image_processor": {"max_soft_tokens": 100}})");
  EXPECT_THAT(refusal(), testing::HasSubstr("processor_config.json: image_processor.max_soft_tokens"
                                            " is 100, expected 70, 140, 560"));
  write("processor_config.json", R"({"image_processor": 3})");
  EXPECT_THAT(refusal(), testing::HasSubstr("image_processor is not an object"));
  write("processor_config.json", "[]");
  EXPECT_THAT(refusal(), testing::HasSubstr("not a JSON object"));
}

}  // namespace
}  // namespace octavo
