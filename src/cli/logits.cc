// `octavo logits`: one teacher-forced pass, its logits to a file. How parity is checked from
// outside.

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <string>

#include "base/checked.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/write_safetensors.h"
#include "cli/cli.h"
#include "model/language_model.h"

namespace octavo::cli {
namespace {

struct LogitsOptions {
  std::string model, tokens, out, features_out;
  std::vector<std::string> images;
  int image_tokens = 280;
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

/// A picture's run of placeholder tokens and the soft tokens that replace them.
struct Picture {
  int64_t first, count;
  Tensor features;

  int64_t end() const { return first + count; }
};

/// The maximal runs of image or video tokens, without features yet.
std::vector<Picture> find_runs(std::span<const int32_t> tokens, const ModelConfig& config) {
  std::vector<Picture> runs;
  for (int64_t i = 0; i < std::ssize(tokens); ++i) {
    if (tokens[i] != config.image_token_id && tokens[i] != config.video_token_id) continue;
    if (!runs.empty() && runs.back().end() == i) {
      ++runs.back().count;
    } else {
      runs.push_back({i, 1, Tensor()});
    }
  }
  return runs;
}

/// INTERIM until the image module can read pictures: `patches` U8 [rows, columns, values].
ImagePatches read_patches(const std::string& path, const VisionConfig& config) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const TensorView& view = file.tensors().at(0);
  ImagePatches patches{view.shape.at(1), view.shape.at(0), config.patch_size, {}};
  const auto* bytes = reinterpret_cast<const uint8_t*>(view.bytes.data());
  patches.values.assign(bytes, bytes + view.bytes.size());
  return patches;
}

/// The pictures of the files, in the order of the runs.
std::vector<Picture> encode_pictures(LanguageModel& model, std::span<const int32_t> tokens,
                                     const LogitsOptions& options) {
  std::vector<Picture> pictures = find_runs(tokens, model.config());
  if (pictures.size() != options.images.size()) {
    fail(ErrorCode::kBadRequest,
         "--tokens: {} runs of image tokens for {} --image files; expected one run for each",
         pictures.size(), options.images.size());
  }
  for (size_t i = 0; i < pictures.size(); ++i) {
    const std::string& file = options.images[i];
    if (!model.config().vision) {
      fail(ErrorCode::kUnsupported, "{}: this model cannot see pictures: its config has no vision",
           options.model);
    }
    pictures[i].features = model.encode_image(read_patches(file, *model.config().vision));
    if (pictures[i].features.rows() == pictures[i].count) continue;
    fail(ErrorCode::kBadRequest,
         "{}: a picture of {} soft tokens for a run of {} image tokens at position {}; expected as "
         "many",
         file, pictures[i].features.rows(), pictures[i].count, pictures[i].first);
  }
  return pictures;
}

/// The end of the chunk that starts at `begin`. A picture is never split: the chunk ends before it,
/// or after it if it starts there.
int64_t chunk_end(int64_t begin, int64_t chunk, int64_t tokens, std::span<const Picture> pictures) {
  const int64_t end = std::min(begin + chunk, tokens);
  for (const Picture& picture : pictures) {
    if (picture.first < end && end < picture.end()) {
      return picture.first > begin ? picture.first : picture.end();
    }
  }
  return end;
}

/// Logits [tokens, vocab] of one pass over `tokens` in chunks.
std::vector<float> all_logits(LanguageModel& model, std::span<const int32_t> tokens,
                              std::span<const Picture> pictures, int64_t chunk) {
  const int64_t vocab = model.config().text.vocab_size;
  for (const int32_t token : tokens) {
    if (token >= 0 && token < vocab) continue;
    fail(ErrorCode::kBadRequest, "token {} is outside the vocabulary of {}", token, vocab);
  }
  std::vector<float> logits(checked_mul(tokens.size(), static_cast<uint64_t>(vocab), "logits"));
  KvCache cache = model.make_cache();
  for (int64_t begin = 0; begin < std::ssize(tokens);) {
    const int64_t count = chunk_end(begin, chunk, std::ssize(tokens), pictures) - begin;
    std::vector<int64_t> rows(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) rows[i] = i;
    std::vector<ImageRun> images;
    for (const Picture& picture : pictures) {
      if (picture.first < begin || picture.first >= begin + count) continue;
      images.push_back({picture.first - begin, &picture.features});
    }
    const Segment segment{&cache, count};
    model.forward({tokens.subspan(begin, count), {&segment, 1}, rows, images},
                  std::span(logits).subspan(begin * vocab, count * vocab));
    begin += count;
  }
  return logits;
}

/// `features0`, `features1`, ...: F32 [soft tokens, hidden] of each picture.
void write_features(const std::string& path, std::span<const Picture> pictures) {
  std::vector<std::vector<float>> rows;  // without the padding of tensors
  for (const Picture& picture : pictures) {
    std::vector<float>& values = rows.emplace_back();
    for (int64_t r = 0; r < picture.count; ++r) {
      const float* row = picture.features.row(r);
      values.insert(values.end(), row, row + picture.features.cols());
    }
  }
  std::vector<std::pair<TensorPlan, std::span<const std::byte>>> tensors;
  for (size_t i = 0; i < rows.size(); ++i) {
    const TensorPlan plan{fmt::format("features{}", i),
                          Dtype::kF32,
                          {pictures[i].count, pictures[i].features.cols()}};
    tensors.emplace_back(plan, std::as_bytes(std::span(rows[i])));
  }
  write_safetensors_file(path, tensors);
}

void run_logits(const LogitsOptions& options) {
  const std::vector<int32_t> tokens = parse_tokens(options.tokens);
  const auto model =
      LanguageModel::load(options.model, {.exact = options.exact, .threads = options.threads});
  const std::vector<Picture> pictures = encode_pictures(*model, tokens, options);
  if (!options.features_out.empty()) write_features(options.features_out, pictures);
  const std::vector<float> logits = all_logits(*model, tokens, pictures, options.chunk);
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
  command->add_option("--image", options->images,
                      "A picture for each run of image tokens in --tokens, in their order");
  command->add_option("--image-tokens", options->image_tokens, "Most soft tokens of a picture")
      ->check(CLI::IsMember({70, 140, 280, 560, 1120}))
      ->capture_default_str();
  command->add_option("--features-out", options->features_out,
                      "Output .safetensors: `features0`, ... F32 [soft tokens, hidden], one per "
                      "picture");
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
