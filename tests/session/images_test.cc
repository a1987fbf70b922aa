// Pictures and videos in messages and tool results: prompts, caches, refusals. With a scripted
// model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "../temp_folder.h"
#include "octavo/error.h"
#include "scripted_model.h"

namespace octavo {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

/// Pictures of one colour, wide x high pixels.
ImageInput picture(uint8_t colour, int64_t width = 224, int64_t height = 224) {
  return ImageInput::from_rgb(
      width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3), colour));
}

/// What a square picture becomes with 70 tokens at most: 64.
std::string run_of(std::string_view token = "<|image|>", int count = 64) {
  std::string text = "<|image>";
  for (int i = 0; i < count; ++i) text += token;
  return text + "<image|>";
}

const GenerationOptions kSmall{.image_tokens = 70};

std::shared_ptr<ScriptedModel> seeing_model(std::vector<std::string> replies) {
  auto script = scripted_model(std::move(replies));
  script->open_eyes();
  return script;
}

template <typename Call>
std::string refusal(ErrorCode code, Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no error";
}

TEST(ImagesTest, APlaceholderBecomesOneTokenPerSoftToken) {
  auto script = seeing_model({"Grey."});
  ChatSession session(script->model());
  const Result result = session.send({picture(1), "What is this? "}, kSmall);
  EXPECT_EQ(result.text, "Grey.");
  EXPECT_EQ(script->prompt_text(0),
            "<bos><|turn>user\n" + run_of() +
                "What is this?<turn|>\n<|turn>model\n<|channel>thought\n<channel|>");
  EXPECT_EQ(result.prompt_tokens, std::ssize(script->prompts[0]));
  EXPECT_EQ(result.image_tokens, 64);
  EXPECT_EQ(result.images_encoded, 1);

  ASSERT_EQ(script->images[0].size(), 1u);
  const PromptImage& image = script->images[0][0];
  EXPECT_EQ(image.count, 64u);
  EXPECT_EQ(script->prompts[0][image.first_token - 1], script->id("<|image>"));
  EXPECT_EQ(script->prompts[0][image.first_token], script->id("<|image|>"));
  EXPECT_EQ(script->prompts[0][image.end()], script->id("<image|>"));
}

TEST(ImagesTest, TextsAndPicturesKeepTheirOrder) {
  auto script = seeing_model({"x"});
  ChatSession session(script->model());
  const Result result = session.send(
      {"Compare ", picture(1), " with ", picture(2, 100, 2000), picture(3), "."}, kSmall);
  // 100 x 2000 pixels become 48 x 1248 and so 26 tokens.
  EXPECT_THAT(script->prompt_text(0), HasSubstr("user\nCompare" + run_of() + "with"));
  EXPECT_THAT(script->prompt_text(0), HasSubstr("<image|>" + run_of() + ".<turn|>"));
  EXPECT_EQ(result.images_encoded, 3);
  std::vector<float> colours;
  int64_t tokens = 0;
  for (const PromptImage& image : script->images[0]) {
    colours.push_back(image.features->row(0)[0]);
    EXPECT_EQ(image.features->rows(), static_cast<int64_t>(image.count));
    tokens += image.features->rows();
  }
  EXPECT_THAT(colours, ElementsAre(1, 2, 3));
  EXPECT_EQ(result.image_tokens, tokens);
}

TEST(ImagesTest, TheHistoryHoldsParts) {
  auto script = seeing_model({"a", "b"});
  ChatSession session(script->model());
  session.send({picture(1), "one", " text"}, kSmall);
  session.send("plain");
  const json history = json::parse(session.history());
  EXPECT_EQ(history[0]["content"],
            json::parse(R"([{"type": "image"}, {"type": "text", "text": "one text"}])"));
  EXPECT_EQ(history[2]["content"], "plain");
}

TEST(ImagesTest, TheHistoryNamesFiles) {
  auto script = seeing_model({"a", "b"});
  ChatSession session(script->model());
  const TempFolder folder;
  const std::string bmp = "BM" + std::string(8, '\0') + std::string("\x1a\0\0\0", 4) +
                          std::string("\x0c\0\0\0\1\0\1\0\1\0\x18\0", 12) + "rgb\0";
  const std::string file = folder.write("<|image|>.bmp", bmp + std::string(1, '\0'));
  session.send({ImageInput::from_file(file)}, kSmall);
  const json part = json::parse(session.history())[0]["content"][0];
  EXPECT_EQ(part["type"], "image");
  EXPECT_THAT(part["name"].get<std::string>(),
              testing::AllOf(EndsWith(".bmp"), testing::Not(HasSubstr("<|image|>"))));
  EXPECT_EQ(script->images[0].size(), 1u);
}

TEST(ImagesTest, TextsCanNeverBecomePlaceholders) {
  auto script = seeing_model({"a", "b"});
  ChatSession session(script->model());
  session.send({"<|image|><|video|>", picture(1), "<|ima", "ge|>", "", "<|ima", "", "ge|>"},
               kSmall);
  EXPECT_EQ(script->images[0].size(), 1u);
  EXPECT_EQ(std::ranges::count(script->prompts[0], script->id("<|image|>")), 64);
  EXPECT_EQ(std::ranges::count(script->prompts[0], script->id("<|video|>")), 0);
  session.send("<|image|> and <|image>");
  EXPECT_EQ(std::ranges::count(script->prompts[1], script->id("<|image|>")), 64);
  EXPECT_EQ(std::ranges::count(script->prompts[1], script->id("<|image>")), 1);
}

TEST(ImagesTest, AnEarlierPictureIsNotEncodedAgain) {
  auto script = seeing_model({"a", "b", "c"});
  ChatSession session(script->model());
  session.send({picture(1), "?"}, kSmall);
  const Result second = session.send("And now?");
  EXPECT_EQ(second.images_encoded, 0);
  EXPECT_EQ(second.image_tokens, 64);
  EXPECT_GT(second.cached_tokens, 64);
  EXPECT_EQ(script->images[1][0].features, nullptr);  // cached: nobody looked at it
  const Result third = session.send({picture(2), "?"}, kSmall);
  EXPECT_EQ(third.images_encoded, 1);
  EXPECT_EQ(third.image_tokens, 128);
  EXPECT_EQ(script->encoded.size(), 2u);
}

TEST(ImagesTest, AColdCacheTakesFeaturesFromTheModelsCache) {
  auto script = seeing_model({"a", "b"});
  ChatSession session(script->model());
  session.send({picture(1), "?"}, kSmall);
  script->max_rewind = 0;  // nothing can be reused
  const Result second = session.send({picture(2), "?"}, kSmall);
  EXPECT_EQ(second.cached_tokens, 0);
  EXPECT_EQ(second.images_encoded, 1);
  EXPECT_EQ(script->images[1][0].features->row(0)[0], 1);
}

TEST(ImagesTest, ChangingOneOfTwoPicturesEncodesOne) {
  auto script = seeing_model({"a", "b", "c"});
  const Result first =
      ChatSession(script->model()).send({picture(1), picture(2), "Compare."}, kSmall);
  EXPECT_EQ(first.images_encoded, 2);
  const Result second =
      ChatSession(script->model()).send({picture(1), picture(3), "Compare."}, kSmall);
  EXPECT_EQ(second.images_encoded, 1);
  EXPECT_THAT(script->encoded, testing::SizeIs(3));
  // Another budget makes other tokens of the same picture.
  const Result third = ChatSession(script->model()).send({picture(1)}, {.image_tokens = 140});
  EXPECT_EQ(third.images_encoded, 1);
}

TEST(ImagesTest, ForgottenFeaturesAreMadeAgainFromTheHistory) {
  auto script = scripted_model({"a", "b"});
  script->open_eyes(/*cache_bytes=*/0);
  ChatSession session(script->model());
  session.send({picture(1), "?"}, kSmall);
  script->max_rewind = 0;
  EXPECT_EQ(session.send("again").images_encoded, 1);
  EXPECT_EQ(script->images[1][0].features->row(0)[0], 1);
}

TEST(ImagesTest, ForksShareTheirPictures) {
  auto script = seeing_model({"a", "b", "c", "d"});
  ChatSession session(script->model());
  session.send({picture(1), "?"}, kSmall);
  ChatSession fork = session.fork();
  EXPECT_EQ(fork.send("b").image_tokens, 64);
  EXPECT_EQ(session.send("c").images_encoded, 0);
  EXPECT_GT(session.send({picture(1)}, kSmall).cached_tokens, 64);
  EXPECT_EQ(script->encoded.size(), 1u);
}

TEST(ImagesTest, TheBudgetIsTheRequestsThenTheCheckpoints) {
  auto script = seeing_model({"a", "b", "c"});
  const Model model = script->model();
  EXPECT_EQ(model.image_tokens(picture(1)), 256);
  script->impl->defaults.image_tokens = 140;
  EXPECT_EQ(model.image_tokens(picture(1)), 121);
  EXPECT_EQ(model.image_tokens(picture(1), kSmall), 64);
  ChatSession session(model);
  EXPECT_EQ(session.send({picture(1)}).image_tokens, 121);
  EXPECT_EQ(session.send({picture(1)}, kSmall).image_tokens, 121 + 64);  // the first one stays
  EXPECT_THAT(
      refusal(ErrorCode::kBadRequest, [&] { session.send({picture(1)}, {.image_tokens = 100}); }),
      HasSubstr("image_tokens: 100, expected 70, 140, 280, 560, 1120"));
  EXPECT_EQ(session.turns(), 2);
}

TEST(ImagesTest, AVideoIsFramesWithTheirTimes) {
  auto script = seeing_model({"a"});
  ChatSession session(script->model());
  const VideoInput video = VideoInput::from_frames(
      {{picture(1), 0}, {picture(2), 1.99}, {picture(3), 61.5}, {picture(4), 3723}});
  const Result result = session.send({"Watch ", video, picture(5), "!"});
  const std::string frame = run_of("<|video|>");
  EXPECT_THAT(script->prompt_text(0),
              HasSubstr("user\nWatch00:00 " + frame + " 00:01 " + frame + " 01:01 " + frame +
                        " 62:03 " + frame + run_of("<|image|>", 256) + "!<turn|>"));
  EXPECT_EQ(result.images_encoded, 5);
  EXPECT_EQ(result.image_tokens, 4 * 64 + 256);
  EXPECT_EQ(json::parse(session.history())[0]["content"][1]["type"], "video");
  // The same as expanding the text and then tokenising it, as the reference does.
  EXPECT_EQ(script->impl->tokenizer->encode(script->prompt_text(0)), script->prompts[0]);
}

TEST(ImagesTest, AVocabularyWithoutAVideoTokenHasFramesOfImageTokens) {
  auto script = seeing_model({"a"});
  script->impl->special.video.reset();
  ChatSession session(script->model());
  session.send({VideoInput::from_frames({{picture(1), 0}, {picture(2), 1}})});
  EXPECT_THAT(script->prompt_text(0), HasSubstr("00:00 " + run_of() + " 00:01 " + run_of()));
}

const std::string kCall = "<|tool_call>call:look{}<tool_call|>";
const std::string kTools = R"([{"name": "look"}])";

TEST(ImagesTest, AToolMayReturnPictures) {
  auto script = seeing_model({kCall + "<|tool_response>", "Grey.", "x"});
  ChatSession session(script->model());
  session.send("Look.", {.tools = kTools});
  const Result result =
      session.send_tool_result("call_1", {"<|ima", picture(1), "ge|> found"}, false, kSmall);
  EXPECT_EQ(result.text, "Grey.");
  EXPECT_EQ(result.image_tokens, 64);
  EXPECT_THAT(script->prompt_text(1),
              EndsWith("<|tool_response>response:look{value:<|\"|><\u200B|image|> found<|\"|>}"
                       "<tool_response|>" +
                       run_of()));
  EXPECT_EQ(session.send({picture(2)}, kSmall).image_tokens, 128);
}

TEST(ImagesTest, PicturesOfParallelCallsGoWhereTheirCallsAre) {
  auto script = seeing_model({"x", kCall + kCall + "<|tool_response>", "ok"});
  ChatSession session(script->model(), {.defaults = kSmall});
  session.send({picture(1)});
  session.send("Look.", {.tools = kTools});
  EXPECT_EQ(session.send_tool_result("call_2", {picture(3)}).pending_tool_calls, 1);
  EXPECT_EQ(session.send_tool_result("call_1", {picture(2)}).images_encoded, 2);
  std::vector<float> colours;
  for (const PromptImage& image : script->images[2]) {
    colours.push_back(image.features ? image.features->row(0)[0] : 0);
  }
  EXPECT_THAT(colours, ElementsAre(0, 2, 3));  // the first is cached
}

TEST(ImagesTest, AFailedResultIsMarkedBeforeItsPictures) {
  auto script = seeing_model({kCall + "<|tool_response>", "x"});
  ChatSession session(script->model());
  session.send("Look.", {.tools = kTools});
  session.send_tool_result("call_1", {picture(1)}, /*is_error=*/true, kSmall);
  EXPECT_THAT(script->prompt_text(1),
              HasSubstr("value:<|\"|>Error: <|\"|>}<tool_response|><|image>"));
}

TEST(ImagesTest, AModelWithoutEyesSaysSoAndTheSessionGoesOn) {
  auto script = scripted_model({"a", "b"});
  const Model model = script->model();
  EXPECT_FALSE(model.can_see());
  ChatSession session(model);
  session.send("first");
  const std::string before = session.history();
  for (const ContentPart& part :
       {ContentPart(picture(1)), ContentPart(VideoInput::from_frames({{picture(1), 0}}))}) {
    EXPECT_THAT(refusal(ErrorCode::kUnsupported, [&] { session.send({"Look:", part}); }),
                HasSubstr("cannot see"));
  }
  EXPECT_THAT(refusal(ErrorCode::kUnsupported, [&] { model.image_tokens(picture(1)); }),
              HasSubstr("cannot see"));
  EXPECT_EQ(session.history(), before);
  EXPECT_GT(session.send("second").cached_tokens, 0);
}

TEST(ImagesTest, SoundIsRefusedByName) {
  auto script = seeing_model({"a"});
  EXPECT_TRUE(script->model().can_see());
  ChatSession session(script->model());
  EXPECT_THAT(refusal(ErrorCode::kUnsupported,
                      [&] { session.send({"Listen:", AudioInput{"speech.wav"}}); }),
              testing::AllOf(HasSubstr("speech.wav"), HasSubstr("sound")));
  EXPECT_EQ(session.turns(), 0);
  EXPECT_EQ(session.send("Hi").text, "a");
}

TEST(ImagesTest, NothingIsEncodedForAPromptThatDoesNotFit) {
  auto script = seeing_model({"a"});
  ChatSession session(script->model());  // its context is 2000
  EXPECT_THAT(refusal(ErrorCode::kBadRequest,
                      [&] { session.send({picture(1), picture(2)}, {.image_tokens = 1120}); }),
              HasSubstr("no room"));
  EXPECT_TRUE(script->encoded.empty());
  EXPECT_EQ(session.send({picture(1)}, kSmall).images_encoded, 1);
}

TEST(ImagesTest, ATurnCanBeCancelledBetweenPictures) {
  auto script = seeing_model({"a"});
  ChatSession session(script->model());
  script->while_encoding = [&] { session.cancel(); };
  const Result result = session.send({picture(1), picture(2)}, kSmall);
  EXPECT_EQ(result.finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(script->encoded.size(), 1u);
  EXPECT_EQ(session.turns(), 0);
  script->while_encoding = [] {};
  EXPECT_EQ(session.send({picture(1), picture(2)}, kSmall).images_encoded, 1);
}

TEST(ImagesTest, ATurnCanBeCancelledWhileAPictureIsEncoded) {
  auto script = seeing_model({"a"});
  ChatSession* running = nullptr;
  const auto encode = [&](const ImagePatches&, const std::atomic<bool>& cancelled) -> Tensor {
    EXPECT_FALSE(cancelled);
    running->cancel();
    EXPECT_TRUE(cancelled);
    throw Error(ErrorCode::kCancelled, "as the tower does");
  };
  script->impl->vision = std::make_shared<Vision>(PatchOptions{}, encode, /*cache_bytes=*/0);
  ChatSession session(script->model());
  running = &session;
  EXPECT_EQ(session.send({picture(1)}, kSmall).finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(session.turns(), 0);
}

TEST(ImagesTest, AFailureToEncodeLeavesTheSessionAsItWas) {
  auto script = seeing_model({"a", "b"});
  ChatSession session(script->model());
  script->while_encoding = [] { throw Error(ErrorCode::kBadRequest, "picture: too large"); };
  EXPECT_THAT(refusal(ErrorCode::kBadRequest, [&] { session.send({picture(1)}, kSmall); }),
              HasSubstr("too large"));
  EXPECT_EQ(session.history(), "[]");
  script->while_encoding = [] {};
  EXPECT_EQ(session.send({picture(1)}, kSmall).images_encoded, 1);
}

TEST(ImagesTest, TheTimeToTheFirstTokenIncludesPictures) {
  auto script = seeing_model({"a"});
  script->while_encoding = [] { std::this_thread::sleep_for(std::chrono::milliseconds(30)); };
  EXPECT_GE(ChatSession(script->model()).send({picture(1)}, kSmall).performance.ttft_ms, 30);
}

TEST(ImagesTest, ATemplateThatLosesPicturesIsReported) {
  for (const char* source : {"{{ bos_token }}nothing", "{{ bos_token }}<|image|><|image|>",
                             "{{ bos_token }}<|video|>"}) {
    auto script = seeing_model({"a"});
    script->impl->chat_template = ChatTemplate::parse(source, "test");
    ChatSession session(script->model());
    EXPECT_THAT(refusal(ErrorCode::kUnsupported, [&] { session.send({picture(1)}, kSmall); }),
                HasSubstr("chat template"))
        << source;
  }
}

TEST(ImagesTest, NoMediaTokenIsEverGenerated) {
  for (const char* token :
       {"<|image>", "<|audio>", "<|image|>", "<|audio|>", "<image|>", "<audio|>", "<|video|>"}) {
    auto script = scripted_model(Script{});
    script->script = [id = script->id(token)](auto, auto) { return id; };
    const GenerationOptions options{.max_new_tokens = 1,
                                    .logit_bias = {{{script->id(token), 100.0}}}};
    EXPECT_NE(ChatSession(script->model()).send("?", options).tokens.at(0), script->id(token));
    EXPECT_NE(script->model().complete("?", options).tokens.at(0), script->id(token));
  }
}

}  // namespace
}  // namespace octavo
