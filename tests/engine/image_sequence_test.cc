// Sequences with pictures: what is kept, and where chunks end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/sequence.h"
#include "octavo/error.h"
#include "scripted_language_model.h"

namespace octavo {
namespace {

using testing::ElementsAre;
using Batch = ScriptedLanguageModel::Batch;

PromptImage picture(size_t first_token, size_t count, uint8_t name) {
  return {first_token,
          count,
          {name},
          std::make_shared<Tensor>(static_cast<int64_t>(count), ScriptedLanguageModel::kHidden)};
}

/// `length` tokens, the same one in the runs of pictures.
Prompt prompt_of(size_t length, std::vector<PromptImage> images) {
  Prompt prompt{{}, std::move(images)};
  for (size_t i = 0; i < length; ++i) prompt.tokens.push_back(static_cast<int32_t>(i % 900));
  for (const PromptImage& image : prompt.images) {
    std::fill_n(prompt.tokens.begin() + static_cast<ptrdiff_t>(image.first_token), image.count,
                999);
  }
  return prompt;
}

Prompt without_features(Prompt prompt) {
  for (PromptImage& image : prompt.images) image.features = nullptr;
  return prompt;
}

class ImageSequence : public testing::Test {
 protected:
  std::vector<Batch> batches_of(Sequence& sequence, const Prompt& prompt) {
    model_.batches.clear();
    sequence.assign(prompt);
    return model_.batches;
  }

  ScriptedLanguageModel model_;
};

TEST_F(ImageSequence, AChunkThatWouldEndInAPictureEndsBeforeIt) {
  Sequence sequence(model_, 10);
  EXPECT_THAT(
      batches_of(sequence, prompt_of(30, {picture(5, 4, 1), picture(18, 6, 2)})),
      ElementsAre(Batch{0, 10, {5}}, Batch{10, 18, {}}, Batch{18, 28, {18}}, Batch{28, 30, {}}));
}

TEST_F(ImageSequence, APictureThatEndsWithTheChunkStaysInIt) {
  Sequence sequence(model_, 10);
  EXPECT_THAT(batches_of(sequence, prompt_of(20, {picture(6, 4, 1), picture(10, 10, 2)})),
              ElementsAre(Batch{0, 10, {6}}, Batch{10, 20, {10}}));
}

TEST_F(ImageSequence, APictureLongerThanAChunkHasOneOfItsOwn) {
  for (const int chunk : {1, 7, 24}) {
    Sequence sequence(model_, chunk);
    const auto batches =
        batches_of(sequence, prompt_of(60, {picture(3, 25, 1), picture(28, 26, 2)}));
    EXPECT_THAT(batches, testing::Contains(Batch{3, 28, {3}})) << chunk;
    EXPECT_THAT(batches, testing::Contains(Batch{28, 54, {28}})) << chunk;
    EXPECT_EQ(batches.back().end, 60);
  }
}

TEST_F(ImageSequence, TheSamePicturesAreKept) {
  Sequence sequence(model_);
  const Prompt first = prompt_of(40, {picture(5, 8, 1)});
  sequence.assign(first);
  const Prompt longer = prompt_of(50, {picture(5, 8, 1)});
  EXPECT_EQ(sequence.reusable(longer), 40u);
  sequence.assign(without_features(longer));
  EXPECT_EQ(sequence.reusable(first), 39u);
}

TEST_F(ImageSequence, AnotherPictureEndsWhatIsKeptBeforeItsRun) {
  Sequence sequence(model_);
  const Prompt prompt = prompt_of(60, {picture(5, 8, 1), picture(20, 10, 2)});
  sequence.assign(prompt);
  EXPECT_EQ(sequence.reusable(prompt_of(60, {picture(5, 8, 1), picture(20, 10, 3)})), 20u);
  EXPECT_EQ(sequence.reusable(prompt_of(60, {picture(5, 8, 3), picture(20, 10, 2)})), 5u);
  EXPECT_EQ(sequence.reusable(prompt_of(60, {picture(5, 8, 2), picture(20, 10, 1)})), 5u);

  Prompt other = prompt_of(60, {picture(5, 8, 1), picture(20, 10, 3)});
  other.images[0].features = nullptr;  // kept: not needed
  EXPECT_THAT(batches_of(sequence, other), ElementsAre(Batch{20, 60, {20}}));
  EXPECT_EQ(sequence.reusable(other), 59u);
  EXPECT_EQ(sequence.reusable(prompt), 20u);
}

TEST_F(ImageSequence, TheSameTokensWithoutOrWithMorePicturesAreAnotherPrompt) {
  Sequence sequence(model_);
  const Prompt prompt = prompt_of(60, {picture(20, 10, 1)});
  sequence.assign(prompt);
  Prompt without = prompt;
  without.images.clear();
  EXPECT_EQ(sequence.reusable(without), 20u);
  Prompt more = prompt;
  more.images.insert(more.images.begin(), picture(8, 2, 2));
  EXPECT_EQ(sequence.reusable(more), 8u);
  Prompt shorter = prompt;  // the same tokens, seen as two pictures
  shorter.images = {picture(20, 5, 1), picture(25, 5, 1)};
  EXPECT_EQ(sequence.reusable(shorter), 20u);
  sequence.assign(without);
  EXPECT_EQ(sequence.reusable(prompt), 20u);
}

TEST_F(ImageSequence, APictureIsNeverKeptInPart) {
  Sequence sequence(model_);
  sequence.assign(prompt_of(60, {picture(20, 10, 1)}));
  // The tokens differ inside the run of a picture that claims to be the same.
  Prompt odd = prompt_of(60, {picture(20, 10, 1)});
  odd.tokens[25] = 1;
  EXPECT_EQ(sequence.reusable(odd), 20u);
  // The prompt ends inside or with the picture: its last token must be computed.
  EXPECT_EQ(sequence.reusable(prompt_of(30, {picture(20, 10, 1)})), 20u);
  EXPECT_EQ(sequence.reusable(prompt_of(31, {picture(20, 10, 1)})), 30u);
}

TEST_F(ImageSequence, StartsAgainWhereTheWindowBeforeThePictureIsGone) {
  Sequence sequence(model_);
  sequence.assign(prompt_of(400, {picture(100, 250, 1)}));
  // The cut at 345 would be possible, the one at the picture's start is not.
  Prompt odd = prompt_of(400, {picture(100, 250, 1)});
  odd.tokens[345] = 1;
  EXPECT_EQ(sequence.reusable(odd), 0u);
  EXPECT_THAT(batches_of(sequence, odd), testing::SizeIs(1));
}

TEST_F(ImageSequence, AForkKnowsThePicturesOfItsParent) {
  Sequence sequence(model_);
  const Prompt prompt = prompt_of(40, {picture(20, 10, 1)});
  sequence.assign(prompt);
  Sequence fork = sequence.fork();
  sequence.assign(prompt_of(40, {picture(20, 10, 2)}));
  EXPECT_EQ(fork.reusable(prompt), 39u);
  EXPECT_EQ(sequence.reusable(prompt), 20u);
}

TEST_F(ImageSequence, ACancelledPrefillHoldsWholePictures) {
  const Prompt prompt = prompt_of(60, {picture(5, 20, 1), picture(30, 20, 2)});
  Sequence sequence(model_, 10);
  std::atomic<bool> cancelled{false};
  EXPECT_THROW(
      sequence.assign(prompt, &cancelled, [&](size_t done, size_t) { cancelled = done >= 25; }),
      Error);
  EXPECT_EQ(sequence.tokens().size(), 25u);
  EXPECT_EQ(sequence.reusable(prompt), 25u);
  EXPECT_EQ(sequence.reusable(prompt_of(60, {picture(5, 20, 3), picture(30, 20, 2)})), 5u);
  model_.batches.clear();
  EXPECT_EQ(sequence.assign(prompt).computed, 35u);
  EXPECT_EQ(model_.batches.front().begin, 25);
}

TEST_F(ImageSequence, RefusesPicturesThatDoNotFitTheirRuns) {
  Sequence sequence(model_);
  const Prompt before = prompt_of(40, {picture(20, 10, 1)});
  sequence.assign(before);
  const auto refused = [&](std::vector<PromptImage> images) {
    Prompt prompt = prompt_of(40, {});
    prompt.images = std::move(images);
    EXPECT_THROW(sequence.assign(prompt), Error);
    EXPECT_EQ(sequence.reusable(before), 39u);  // unchanged
  };
  refused({picture(35, 6, 2)});                   // beyond the end
  refused({picture(SIZE_MAX, 2, 2)});             // far beyond
  refused({picture(5, 0, 2)});                    // empty
  refused({picture(5, 5, 2), picture(9, 2, 3)});  // overlapping
  refused({picture(9, 2, 2), picture(5, 2, 3)});  // not ascending
  PromptImage wrong = picture(5, 5, 2);
  wrong.features = nullptr;
  refused({wrong});
  wrong.features = std::make_shared<Tensor>(4, ScriptedLanguageModel::kHidden);
  refused({wrong});
  wrong.features = std::make_shared<Tensor>(5, 8);
  refused({wrong});
}

}  // namespace
}  // namespace octavo
