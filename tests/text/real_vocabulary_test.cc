// Known encodings by Gemma 4's own vocabulary, which is not part of the repository: see
// tools/goldens/text_gemma_tokenizer.py. Skipped unless OCTAVO_GEMMA_TOKENIZER names its folder.
#include <gtest/gtest.h>

#include <cstdlib>

#include "text/tokenizer.h"

namespace octavo {
namespace {

struct Golden {
  std::string_view text;
  std::vector<int32_t> ids;
};

const std::vector<Golden>& goldens() {
  using namespace std::string_view_literals;
  static const std::vector<Golden> kGoldens = {
      {"<bos><|turn>user\nHi<turn|>\n<|turn>model\n<|channel>thought\n<channel|>",
       {2, 105, 2364, 107, 10979, 106, 107, 105, 4368, 107, 100, 45518, 107, 101}},
      {"Hello, world!", {9259, 236764, 1902, 236888}},
      {" Hello", {26352}},
      {"a  b   c", {236746, 138, 236763, 139, 236755}},
      {"line1\n\nline2\n", {1257, 236770, 108, 1257, 236778, 107}},
      {"tab\tx\t\ty", {4823, 255968, 236781, 255969, 236762}},
      {"café — 日本語", {123125, 236859, 2192, 33375, 238582}},
      {"🙂👩‍👩‍👧", {240731, 243767, 237243, 243767, 237243, 244814}},
      {"\0"sv, {238}},
      {"3.14159 2026",
       {236800, 236761, 236770, 236812, 236770, 236810, 236819, 236743, 236778, 236771, 236778,
        236825}},
      {"    def f(x):\n        return x",
       {140, 2063, 517, 236769, 236781, 1473, 107, 144, 2060, 1123}},
      {"call:get_weather{city:<|\"|>Paris<|\"|>}",
       {6639, 236787, 828, 236779, 19323, 236782, 13319, 236787, 52, 50429, 52, 236783}},
      {"<table>", {236820, 5127, 236813}},
  };
  return kGoldens;
}

TEST(RealVocabulary, KnownEncodings) {
  const char* folder = std::getenv("OCTAVO_GEMMA_TOKENIZER");
  if (folder == nullptr) GTEST_SKIP() << "OCTAVO_GEMMA_TOKENIZER is not set";
  const auto tokenizer = Tokenizer::load(folder);
  EXPECT_EQ(tokenizer->vocab_size(), 262144);
  for (const Golden& golden : goldens()) {
    EXPECT_EQ(tokenizer->encode(golden.text), golden.ids) << golden.text;
    EXPECT_EQ(tokenizer->decode(golden.ids, true), golden.text);
  }
}

}  // namespace
}  // namespace octavo
