// Pictures with the demo model and random eyes: reuse, chunks, threads and other sessions never
// change a bit of the logits, and a picture is encoded only when it must be.
#include <gtest/gtest.h>

#include <thread>

#include "../seeing_demo.h"
#include "cold_model.h"
#include "engine/logprobs.h"
#include "octavo/octavo.h"

namespace octavo {
namespace {

/// Noise; 70 tokens at most, which is more than the window of 32.
ImageInput picture(unsigned seed, int64_t width = 60, int64_t height = 40) {
  std::mt19937 random(seed);
  std::vector<uint8_t> rgb(static_cast<size_t>(width * height * 3));
  for (uint8_t& value : rgb) value = static_cast<uint8_t>(random());
  return ImageInput::from_rgb(width, height, std::move(rgb));
}

const GenerationOptions kOptions{
    .max_new_tokens = 12, .temperature = 0, .image_tokens = 70, .logprobs = 20};

Model load(const LoadOptions& options) {
  return Model::load(SeeingDemo::folder(), options);
}

const Model& warm_model() {
  static const Model model = load({.threads = 1});
  return model;
}

/// Every token with the probabilities of the 20 best: equal only for equal logits.
using Answers = std::vector<std::vector<TokenLogprob>>;

bool equal(const Answers& a, const Answers& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return std::ranges::equal(x, y, [](const TokenLogprob& p, const TokenLogprob& q) {
      return p.token == q.token && p.logprob == q.logprob && p.top == q.top;
    });
  });
}

/// Pictures before, between and after texts, in first and later turns, a video and an answer that
/// moves the windows on.
Answers converse(const Model& model, GenerationOptions options = kOptions) {
  ChatSession session(model, {.system = "Be brief.", .defaults = options});
  const VideoInput video = VideoInput::from_frames({{picture(8), 0}, {picture(9, 30, 90), 2}});
  Answers answers;
  for (const Content& content :
       {Content{picture(1), "What is this?"}, Content{"And now?"},
        Content{"Compare ", picture(2, 33, 70), " with ", picture(3, 200, 20), "."},
        Content{video, "What happens?"}, Content{"Why?", picture(1)}}) {
    answers.push_back(session.send(content).logprobs);
  }
  return answers;
}

TEST(RealImagesTest, APictureChangesTheAnswer) {
  const auto of = [](const Content& content) {
    return Answers{ChatSession(warm_model()).send(content, kOptions).logprobs};
  };
  EXPECT_FALSE(equal(of({picture(1), "What?"}), of({picture(2), "What?"})));
  EXPECT_FALSE(equal(of({picture(1), "What?"}), of({"What?", picture(1)})));
  EXPECT_TRUE(equal(of({picture(1), "What?"}), of({picture(1), "What?"})));
}

TEST(RealImagesTest, APromptIsWhatTheModelWouldBeGivenByHand) {
  const auto model = LanguageModel::load(SeeingDemo::folder(), {.threads = 1});
  const ImagePatches patches = make_patches(picture(5).pixels(), {.max_soft_tokens = 70});
  const Tensor features = model->encode_image(patches, nullptr);
  std::string text = "<bos><|turn>user\nWhat is<|image>";
  for (int64_t i = 0; i < features.rows(); ++i) text += "<|image|>";
  text += "<image|>?<turn|>\n<|turn>model\n<|channel>thought\n<channel|>";
  const std::vector<int32_t> tokens = warm_model().encode(text);
  const int32_t placeholder = warm_model().encode("<|image|>").at(0);
  const ImageRun run{std::ranges::find(tokens, placeholder) - tokens.begin(), &features};
  KvCache cache = model->make_cache();
  const Segment segment{&cache, std::ssize(tokens)};
  const int64_t last = std::ssize(tokens) - 1;
  std::vector<float> logits(static_cast<size_t>(warm_model().vocab_size()));
  model->forward({tokens, {&segment, 1}, {&last, 1}, {&run, 1}}, logits);

  const Result result = ChatSession(warm_model()).send({"What is ", picture(5), "?"}, kOptions);
  EXPECT_EQ(result.image_tokens, features.rows());
  const TokenLogprob expected = token_logprob(logits, result.tokens.at(0), 20);
  EXPECT_TRUE(equal({{expected}}, {{result.logprobs.at(0)}}));
}

TEST(RealImagesTest, ReuseGivesTheLogitsOfAColdCache) {
  EXPECT_TRUE(equal(converse(warm_model()), converse(cold(warm_model()))));
}

TEST(RealImagesTest, ReuseGivesTheLogitsOfAColdCacheWithThinking) {
  GenerationOptions options = kOptions;
  options.reasoning_effort = ReasoningEffort::kHigh;
  EXPECT_TRUE(equal(converse(warm_model(), options), converse(cold(warm_model()), options)));
}

TEST(RealImagesTest, ReuseSavesWork) {
  ChatSession session(warm_model(), {.defaults = kOptions});
  const Result first = session.send({picture(21), "What is this?"});
  EXPECT_EQ(first.images_encoded, 1);
  const Result second = session.send("And now?");
  EXPECT_EQ(second.images_encoded, 0);
  EXPECT_EQ(second.image_tokens, first.image_tokens);
  EXPECT_GT(second.cached_tokens, first.image_tokens);
}

TEST(RealImagesTest, ChangingOneOfTwoPicturesEncodesOne) {
  const auto of = [](const Model& model, unsigned second) {
    return ChatSession(model).send({picture(31), picture(second), "Compare."}, kOptions);
  };
  EXPECT_EQ(of(warm_model(), 32).images_encoded, 2);
  const Result changed = of(warm_model(), 33);
  EXPECT_EQ(changed.images_encoded, 1);
  const Result fresh = of(load({.threads = 1}), 33);
  EXPECT_EQ(fresh.images_encoded, 2);
  EXPECT_TRUE(equal({changed.logprobs}, {fresh.logprobs}));
}

TEST(RealImagesTest, ThreadsAndChunksDoNotChangeTheLogits) {
  const Answers expected = converse(warm_model());
  for (const int chunk : {1, 7, 33, 100}) {
    EXPECT_TRUE(equal(converse(load({.threads = 1, .prefill_chunk = chunk})), expected)) << chunk;
  }
  EXPECT_TRUE(equal(converse(load({.threads = 2})), expected));
}

TEST(RealImagesTest, ForgottenFeaturesAreMadeAgain) {
  const Model model = load({.threads = 1, .image_cache_bytes = 0});
  EXPECT_TRUE(equal(converse(cold(model)), converse(warm_model())));
}

TEST(RealImagesTest, TwoSessionsMayLookAtOnce) {
  const Model model = load({.threads = 2});
  Answers first, second;
  std::thread thread([&] { first = converse(model); });
  second = converse(model);
  thread.join();
  const Answers expected = converse(warm_model());
  EXPECT_TRUE(equal(first, expected));
  EXPECT_TRUE(equal(second, expected));
}

TEST(RealImagesTest, APictureOfACancelledTurnIsNotTakenForTheNext) {
  // 35 tokens each: after the next few, windows can still be rewound to the beginning of one.
  const auto strip = [](unsigned seed) { return picture(seed, 180, 10); };
  const auto ask = [&](const Model& model, bool cancel_first) {
    ChatSession session(model, {.defaults = kOptions});
    session.send({strip(41), "Look."});
    if (cancel_first) {
      session.send_stream({strip(42), "And this?"}, {}, [](const Event&) { return false; });
    }
    const Result result = session.send({strip(43), "And this?"});
    EXPECT_GT(result.cached_tokens, 0);
    return Answers{result.logprobs};
  };
  EXPECT_TRUE(equal(ask(warm_model(), true), ask(warm_model(), false)));
}

TEST(RealImagesTest, TheCheckpointSaysWhetherItSees) {
  EXPECT_TRUE(warm_model().can_see());
  EXPECT_GT(warm_model().image_tokens(picture(1)), 200);  // the config's 280
}

TEST(RealImagesTest, APictureTooLargeForTheTowerIsRefused) {
  // 1 x 500 pixels become 840 x 3 patches; this tower knows 256 positions.
  ChatSession session(warm_model());
  EXPECT_THROW(session.send({picture(1, 1, 500)}), Error);
  EXPECT_EQ(session.turns(), 0);
  EXPECT_GT(session.send({picture(1), "?"}, kOptions).image_tokens, 0);
}

}  // namespace
}  // namespace octavo
