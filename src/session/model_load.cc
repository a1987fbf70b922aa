#include <future>
#include <mutex>

#include "base/fail.h"
#include "checkpoint/generation_config.h"
#include "checkpoint/processor_config.h"
#include "engine/sequence_decoder.h"
#include "model/vision_tower.h"
#include "session/model_impl.h"

namespace octavo {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kMaxPrefillChunk = 1 << 16;

void check(const LoadOptions& options) {
  if (options.threads < 0 || options.threads > kMaxThreads) {
    fail(ErrorCode::kBadRequest, "threads: {} is out of range, expected 0 to {}", options.threads,
         kMaxThreads);
  }
  if (options.kv_bits != 8 && options.kv_bits != 16) {
    fail(ErrorCode::kBadRequest, "kv_bits: {}, expected 8 or 16", options.kv_bits);
  }
  if (options.exact && options.kv_bits == 8) {
    fail(ErrorCode::kBadRequest,
         "kv_bits: 8 contradicts exact, which keeps keys and values in f32");
  }
  if (options.context_length < 0) {
    fail(ErrorCode::kBadRequest, "context_length: {} is negative", options.context_length);
  }
  if (options.prefill_chunk < 1 || options.prefill_chunk > kMaxPrefillChunk) {
    fail(ErrorCode::kBadRequest, "prefill_chunk: {} is out of range, expected 1 to {}",
         options.prefill_chunk, kMaxPrefillChunk);
  }
}

int64_t usable_context(const LoadOptions& options, int64_t limit) {
  if (options.context_length > limit) {
    fail(ErrorCode::kBadRequest, "context_length: {} is more than the model's {}",
         options.context_length, limit);
  }
  return options.context_length > 0 ? options.context_length : limit;
}

GenerationOptions sampling_defaults(const GenerationConfig& config) {
  GenerationOptions options;
  options.temperature = config.do_sample == false ? 0 : config.temperature;
  options.top_k = config.top_k;
  options.top_p = config.top_p;
  return options;
}

/// Null for a model that cannot see.
std::shared_ptr<Vision> make_vision(const std::shared_ptr<LanguageModel>& language_model,
                                    std::shared_ptr<std::mutex> turn, uint64_t cache_bytes) {
  if (!language_model->can_see()) return nullptr;
  const VisionConfig& config = *language_model->config().vision;
  return std::make_shared<Vision>(
      patch_options(config, kDefaultImageTokens),
      [language_model, turn = std::move(turn)](const ImagePatches& patches,
                                               const std::atomic<bool>& cancelled) {
        const std::lock_guard lock(*turn);
        return language_model->encode_image(patches, &cancelled);
      },
      cache_bytes);
}

}  // namespace

Model Model::load(const std::filesystem::path& folder, const LoadOptions& options) {
  check(options);
  // A vocabulary of 262,144 takes longer than everything else.
  auto tokenizer = std::async([&folder] { return Tokenizer::load(folder); });
  const std::shared_ptr<LanguageModel> language_model =
      LanguageModel::load(folder, {.exact = options.exact,
                                   .int8_kv = options.kv_bits == 8,
                                   .threads = options.threads,
                                   .pin = options.pin});
  const ModelConfig& config = language_model->config();
  const GenerationConfig generation = read_generation_config(folder);

  auto impl = std::make_shared<Impl>();
  impl->chat_template = ChatTemplate::load(folder);
  impl->tokenizer = tokenizer.get();
  impl->defaults = sampling_defaults(generation);
  impl->vocab_size = config.text.vocab_size;
  impl->context_length = usable_context(options, config.text.max_position_embeddings);
  impl->bytes_per_token = language_model->bytes_per_token();
  std::vector<int32_t> eos = config.eos_token_ids;
  eos.insert(eos.end(), generation.eos_token_ids.begin(), generation.eos_token_ids.end());
  impl->special = SpecialTokens::find(*impl->tokenizer, eos, impl->vocab_size);
  impl->language_model = language_model;
  const auto turn = std::make_shared<std::mutex>();  // a model runs one pass at a time
  impl->vision = make_vision(language_model, turn, options.image_cache_bytes);
  if (impl->vision) impl->defaults.image_tokens = read_image_tokens(folder, kImageTokenBudgets);
  impl->make_decoder = [language_model, turn, chunk = options.prefill_chunk] {
    return make_sequence_decoder(Sequence(*language_model, chunk), turn);
  };
  return Model(std::move(impl));
}

}  // namespace octavo
