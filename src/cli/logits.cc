// `octavo logits`: one teacher-forced pass, its logits to a file. How parity is checked from
// outside.

#include <charconv>
#include <memory>
#include <string>

#include "base/checked.h"
#include "checkpoint/write_safetensors.h"
#include "cli/cli.h"
#include "model/language_model.h"

namespace octavo::cli {
namespace {

struct LogitsOptions {
  std::string model, tokens, out;
  bool exact = false;
  int threads = 0;
  int chunk = 512;
};

std::vector<int32_t> parse_tokens(std::string_view text) {
  std::vector<int32_t> tokens;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    int32_t value;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || (next != end && *next != ',')) {
      fail(ErrorCode::kBadRequest, "--tokens: '{}' is not a token id; expected e.g. 2,105,9731",
           printable(std::string_view(at, static_cast<size_t>(end - at)), 20));
    }
    tokens.push_back(value);
    at = next == end ? end : next + 1;
  }
  if (tokens.empty()) fail(ErrorCode::kBadRequest, "--tokens: at least one token id is needed");
  return tokens;
}

/// Logits [tokens, vocab] of one pass over `tokens` in chunks.
std::vector<float> all_logits(LanguageModel& model, std::span<const int32_t> tokens,
                              int64_t chunk) {
  const int64_t vocab = model.config().text.vocab_size;
  for (const int32_t token : tokens) {
    if (token >= 0 && token < vocab) continue;
    fail(ErrorCode::kBadRequest, "token {} is outside the vocabulary of {}", token, vocab);
  }
  std::vector<float> logits(checked_mul(tokens.size(), static_cast<uint64_t>(vocab), "logits"));
  KvCache cache = model.make_cache();
  for (int64_t done = 0; done < std::ssize(tokens); done += chunk) {
    const int64_t count = std::min(chunk, std::ssize(tokens) - done);
    std::vector<int64_t> rows(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) rows[i] = i;
    const Segment segment{&cache, count};
    model.forward({tokens.subspan(done, count), {&segment, 1}, rows},
                  std::span(logits).subspan(done * vocab, count * vocab));
  }
  return logits;
}

void run_logits(const LogitsOptions& options) {
  const std::vector<int32_t> tokens = parse_tokens(options.tokens);
  const auto model =
      LanguageModel::load(options.model, {.exact = options.exact, .threads = options.threads});
  const std::vector<float> logits = all_logits(*model, tokens, options.chunk);
  const TensorPlan plan{
      "logits", Dtype::kF32, {std::ssize(tokens), model->config().text.vocab_size}};
  write_safetensors_file(options.out, {{plan, std::as_bytes(std::span(logits))}});
}

}  // namespace

void add_logits(CLI::App& app) {
  auto options = std::make_shared<LogitsOptions>();
  CLI::App* command = app.add_subcommand(
      "logits",
      "Write the logits of one teacher-forced pass (for checking against other programs)");
  command->add_option("-m,--model", options->model, "Checkpoint folder")->required();
  command->add_option("--tokens", options->tokens, "Token ids, comma separated")->required();
  command
      ->add_option("--out", options->out,
                   "Output .safetensors: `logits` F32 [tokens, vocab], after the softcap")
      ->required();
  command->add_flag("--exact", options->exact,
                    "float32 throughout: KV cache and embedding scale are not rounded to BF16");
  command->add_option("--threads", options->threads, "Threads (default: physical cores)")
      ->check(CLI::Range(1, 1024));
  command->add_option("--chunk", options->chunk, "Prefill chunk in tokens")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->footer(
      "Example:\n  octavo logits -m models/capitals --tokens 2,105,107 --out logits.safetensors "
      "--exact");
  command->callback([options] { run_logits(*options); });
}

}  // namespace octavo::cli
