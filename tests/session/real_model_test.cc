// Sessions over the demo model: reuse, forks, rewinds, threads and chunks never change an answer.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "cold_model.h"
#include "octavo/octavo.h"

namespace octavo {
namespace {

const std::string kFolder = std::string(OCTAVO_SOURCE_DIR) + "/models/capitals";
const std::vector<std::string> kQuestions = {"What is the capital of France?",
                                             "And what about Germany?",
                                             "And Japan?",
                                             "Which of those cities is the most populous?",
                                             "Where is Peru?",
                                             "Tell me about Kenya."};

const GenerationOptions kGreedy{.max_new_tokens = 60, .temperature = 0};

const Model& warm_model() {
  static const Model model = Model::load(kFolder, {.threads = 1});
  return model;
}

std::vector<std::vector<int32_t>> converse(const Model& model, const GenerationOptions& options) {
  ChatSession session(model, {.system = "Give concise answers.", .defaults = options});
  std::vector<std::vector<int32_t>> answers;
  for (const std::string& question : kQuestions) answers.push_back(session.send(question).tokens);
  return answers;
}

TEST(RealModelTest, HoldsAChatThatNeedsItsEarlierTurns) {
  ChatSession session(warm_model(), {.defaults = kGreedy});
  const char* expected[] = {"Paris", "Berlin", "Tokyo", "Tokyo"};
  for (int i = 0; i < 4; ++i) {
    EXPECT_NE(session.send(kQuestions[i]).text.find(expected[i]), std::string::npos) << i;
  }
}

TEST(RealModelTest, ReuseGivesTheAnswersOfAColdCache) {
  EXPECT_EQ(converse(warm_model(), kGreedy), converse(cold(warm_model()), kGreedy));
}

TEST(RealModelTest, ReuseGivesTheAnswersOfAColdCacheWithThinking) {
  GenerationOptions options = kGreedy;
  options.reasoning_effort = ReasoningEffort::kHigh;
  EXPECT_EQ(converse(warm_model(), options), converse(cold(warm_model()), options));
}

TEST(RealModelTest, ReuseGivesTheAnswersOfAColdCacheWhenSampling) {
  const GenerationOptions options{.max_new_tokens = 60, .temperature = 1, .seed = 5};
  EXPECT_EQ(converse(warm_model(), options), converse(cold(warm_model()), options));
}

TEST(RealModelTest, TheSnapshotSavesThePromptWhenWindowsHaveMovedOn) {
  // Answers several times the window of 32 tokens, so that the live sequence cannot be rewound.
  const GenerationOptions options{.max_new_tokens = 200, .temperature = 0, .ignore_eos = true};
  const auto run = [&](const Model& model, std::vector<int64_t>& cached, int64_t& first_prompt) {
    ChatSession session(model, {.defaults = options});
    std::vector<std::vector<int32_t>> answers;
    for (int i = 0; i < 3; ++i) {
      const Result result = session.send(kQuestions[i]);
      answers.push_back(result.tokens);
      cached.push_back(result.cached_tokens);
      if (i == 0) first_prompt = result.prompt_tokens;
    }
    return answers;
  };
  std::vector<int64_t> cached, none;
  int64_t prompt = 0, cold_prompt = 0;
  const auto answers = run(warm_model(), cached, prompt);
  EXPECT_EQ(answers, run(cold(warm_model()), none, cold_prompt));
  const auto block = warm_model().encode("<|channel>thought\n<channel|>");
  EXPECT_EQ(cached[1], prompt - std::ssize(block));
  EXPECT_GT(cached[2], cached[1]);
}

TEST(RealModelTest, ThreadsAndChunksDoNotChangeTheAnswers) {
  const auto expected = converse(warm_model(), kGreedy);
  for (int chunk : {1, 7, 33}) {
    EXPECT_EQ(converse(Model::load(kFolder, {.threads = 1, .prefill_chunk = chunk}), kGreedy),
              expected)
        << chunk;
  }
  EXPECT_EQ(converse(Model::load(kFolder, {.threads = 2}), kGreedy), expected);
}

TEST(RealModelTest, ForksAnswerAsTheirParent) {
  ChatSession session(warm_model(), {.defaults = kGreedy});
  for (int i = 0; i < 2; ++i) session.send(kQuestions[i]);
  ChatSession fork = session.fork();
  fork.send(kQuestions[4]);  // writes into blocks that both share
  ChatSession other = session.fork();
  const auto expected = session.send(kQuestions[2]).tokens;
  EXPECT_EQ(other.send(kQuestions[2]).tokens, expected);
}

TEST(RealModelTest, ACancelledTurnDoesNotChangeTheNext) {
  ChatSession session(warm_model(), {.defaults = kGreedy});
  ChatSession other(warm_model(), {.defaults = kGreedy});
  session.send(kQuestions[0]);
  other.send(kQuestions[0]);
  int pieces = 0;
  session.send_stream(kQuestions[4], {}, [&](const Event&) { return ++pieces < 3; });
  EXPECT_EQ(session.send(kQuestions[1]).tokens, other.send(kQuestions[1]).tokens);
}

TEST(RealModelTest, TwoSessionsMayGenerateAtOnce) {
  const auto expected = converse(warm_model(), kGreedy);
  std::vector<std::vector<int32_t>> first, second;
  std::thread thread([&] { first = converse(warm_model(), kGreedy); });
  second = converse(warm_model(), kGreedy);
  thread.join();
  EXPECT_EQ(first, expected);
  EXPECT_EQ(second, expected);
}

TEST(RealModelTest, CompletesRawText) {
  const Result result = warm_model().complete("The capital of", {.max_new_tokens = 5});
  EXPECT_EQ(result.prompt_tokens, 1 + std::ssize(warm_model().encode("The capital of")));
  EXPECT_LE(result.num_tokens, 5);
}

TEST(RealModelTest, RawTextGetsOneBeginningOfSequence) {
  const GenerationOptions options{.max_new_tokens = 5, .temperature = 0};
  const Result without = warm_model().complete("The capital of", options);
  const Result with = warm_model().complete("<bos>The capital of", options);
  EXPECT_EQ(with.prompt_tokens, without.prompt_tokens);
  EXPECT_EQ(with.tokens, without.tokens);
}

TEST(RealModelTest, RefusesBadLoadOptions) {
  for (const LoadOptions& options :
       {LoadOptions{.threads = -1}, LoadOptions{.context_length = -1},
        LoadOptions{.context_length = int64_t{1} << 40}, LoadOptions{.prefill_chunk = 0},
        LoadOptions{.kv_bits = 4}, LoadOptions{.exact = true, .kv_bits = 8}}) {
    EXPECT_THROW(Model::load(kFolder, options), Error);
  }
}

TEST(RealModelTest, SaysHowFarItsWeightsAreInMemory) {
  const Model model = Model::load(kFolder, {.threads = 1});
  while (model.load_progress().running) std::this_thread::yield();
  const LoadProgress progress = model.load_progress();
  EXPECT_EQ(progress.total,
            std::filesystem::file_size(std::string(kFolder) + "/model.safetensors"));
  EXPECT_EQ(progress.done, progress.total);
  EXPECT_FALSE(progress.too_large);
}

TEST(RealModelTest, PinnedThreadsGiveTheSameAnswers) {
  std::thread([] {  // which stays pinned
    EXPECT_EQ(converse(Model::load(kFolder, {.pin = true}), kGreedy),
              converse(warm_model(), kGreedy));
  })
      .join();
  EXPECT_THROW(Model::load(kFolder, {.threads = 1024, .pin = true}), Error);
}

TEST(RealModelTest, AContextCanBeMadeShorter) {
  const Model model = Model::load(kFolder, {.threads = 1, .context_length = 40});
  const Result result = ChatSession(model).send(
      kQuestions[0], {.max_new_tokens = 1000, .temperature = 0, .ignore_eos = true});
  EXPECT_EQ(result.prompt_tokens + result.num_tokens, 40);
}

}  // namespace
}  // namespace octavo
