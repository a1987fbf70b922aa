// `octavo logits`: one teacher-forced pass, its logits to a file. How parity is checked from
// outside.

#include <algorithm>
#include <charconv>
#include <memory>
#include <numeric>
#include <optional>
#include <string>

#include "base/checked.h"
#include "checkpoint/processor_config.h"
#include "checkpoint/write_safetensors.h"
#include "cli/cli.h"
#include "engine/prompt.h"
#include "image/decode.h"
#include "model/language_model.h"
#include "model/vision_tower.h"

namespace octavo::cli {
namespace {

struct LogitsOptions {
  std::string model, tokens, out, features_out;
  std::vector<std::string> images;
  std::optional<int64_t> image_tokens;
  bool exact = false;
  int threads = 0;
  size_t chunk = 512;
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

/// The maximal runs of image or video tokens, without features yet.
std::vector<PromptImage> find_runs(std::span<const int32_t> tokens, const ModelConfig& config) {
  std::vector<PromptImage> runs;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] != config.image_token_id && tokens[i] != config.video_token_id) continue;
    if (!runs.empty() && runs.back().end() == i) {
      ++runs.back().count;
    } else {
      runs.push_back({.first_token = i, .count = 1});
    }
  }
  return runs;
}

int64_t image_budget(const LogitsOptions& options) {
  if (options.image_tokens) return *options.image_tokens;
  return read_image_tokens(options.model, kImageTokenBudgets).value_or(kDefaultImageTokens);
}

/// The features of the picture in `file`, which must be as many as the tokens of its run.
std::shared_ptr<const Tensor> encode_file(LanguageModel& model, const std::string& file,
                                          const PromptImage& run, int64_t budget) {
  const Image image = read_image(file);
  const PatchOptions options = patch_options(*model.config().vision, budget);
  const int64_t tokens = soft_tokens({image.height, image.width}, options);
  if (std::cmp_not_equal(tokens, run.count)) {
    fail(ErrorCode::kBadRequest,
         "{}: {} soft tokens for a run of {} image tokens at position {}; expected as many",
         printable(file), tokens, run.count, run.first_token);
  }
  try {
    return std::make_shared<const Tensor>(
        model.encode_image(make_patches(image, options), nullptr));
  } catch (const Error& error) {
    fail(error.code(), "{}: {}", printable(file), error.what());
  }
}

/// The pictures of the files, in the order of the runs.
std::vector<PromptImage> encode_pictures(LanguageModel& model, std::span<const int32_t> tokens,
                                         const LogitsOptions& options) {
  std::vector<PromptImage> pictures = find_runs(tokens, model.config());
  if (pictures.size() != options.images.size()) {
    fail(ErrorCode::kBadRequest,
         "--tokens: runs of image tokens: {}, --image files: {}; expected one run for each",
         pictures.size(), options.images.size());
  }
  if (pictures.empty()) return pictures;
  if (!model.can_see()) refuse_pictures(options.model);
  const int64_t budget = image_budget(options);
  for (size_t i = 0; i < pictures.size(); ++i) {
    pictures[i].features = encode_file(model, options.images[i], pictures[i], budget);
  }
  return pictures;
}

/// Logits [tokens, vocab] of one pass over `tokens` in chunks.
std::vector<float> all_logits(LanguageModel& model, const PromptView& prompt, size_t chunk) {
  const auto& [tokens, pictures] = prompt;
  const auto vocab = static_cast<size_t>(model.config().text.vocab_size);
  for (const int32_t token : tokens) {
    if (token >= 0 && std::cmp_less(token, vocab)) continue;
    fail(ErrorCode::kBadRequest, "token {} is outside the vocabulary of {}", token, vocab);
  }
  std::vector<float> logits(checked_mul(tokens.size(), vocab, "logits"));
  KvCache cache = model.make_cache();
  for (size_t begin = 0; begin < tokens.size();) {
    const size_t end = chunk_end(prompt, begin, chunk), count = end - begin;
    std::vector<int64_t> rows(count);
    std::iota(rows.begin(), rows.end(), 0);
    const std::vector<ImageRun> images = image_runs(images_within(pictures, begin, end), begin);
    const Segment segment{&cache, static_cast<int64_t>(count)};
    model.forward({tokens.subspan(begin, count), {&segment, 1}, rows, images},
                  std::span(logits).subspan(begin * vocab, count * vocab));
    begin = end;
  }
  return logits;
}

/// `features0`, `features1`, ...: F32 [soft tokens, hidden] of each picture.
void write_features(const std::string& path, std::span<const PromptImage> pictures) {
  std::vector<std::vector<float>> rows;  // without the padding of tensors
  for (const PromptImage& picture : pictures) {
    std::vector<float>& values = rows.emplace_back();
    const Tensor& features = *picture.features;
    for (int64_t r = 0; r < features.rows(); ++r) {
      values.insert(values.end(), features.row(r), features.row(r) + features.cols());
    }
  }
  std::vector<std::pair<TensorPlan, std::span<const std::byte>>> tensors;
  for (size_t i = 0; i < rows.size(); ++i) {
    const TensorPlan plan{fmt::format("features{}", i),
                          Dtype::kF32,
                          {pictures[i].features->rows(), pictures[i].features->cols()}};
    tensors.emplace_back(plan, std::as_bytes(std::span(rows[i])));
  }
  write_safetensors_file(path, tensors);
}

void run_logits(const LogitsOptions& options) {
  const std::vector<int32_t> tokens = parse_tokens(options.tokens);
  const auto model =
      LanguageModel::load(options.model, {.exact = options.exact, .threads = options.threads});
  const std::vector<PromptImage> pictures = encode_pictures(*model, tokens, options);
  if (!options.features_out.empty()) write_features(options.features_out, pictures);
  const std::vector<float> logits = all_logits(*model, {tokens, pictures}, options.chunk);
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
  auto* images =
      command->add_option("--image", options->images,
                          "A picture for each run of image tokens in --tokens, in their order");
  command
      ->add_option("--image-tokens", options->image_tokens,
                   "Most soft tokens of a picture [the checkpoint's, usually 280]")
      ->check(CLI::IsMember(kImageTokenBudgets));
  command
      ->add_option("--features-out", options->features_out,
                   "Output .safetensors: `features0`, ... F32 [soft tokens, hidden], one per "
                   "picture")
      ->needs(images);
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
