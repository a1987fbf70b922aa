#include "octavo/model.h"

#include "session/generation_loop.h"
#include "session/model_impl.h"

namespace octavo {
namespace {

/// Checks what counting the tokens of pictures needs.
MediaBudget media_budget(const Model::Impl& model, const GenerationOptions& config) {
  if (!model.vision) refuse_pictures();
  return resolve(merged(model.defaults, config), model.vocab_size).media;
}

}  // namespace

Model::Model(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

LoadProgress Model::load_progress() const {
  if (!impl_->language_model) return {};
  const Prefault& prefault = impl_->language_model->prefault();
  return {.done = prefault.done(),
          .total = prefault.total(),
          .running = prefault.running(),
          .too_large = prefault.too_large()};
}

int64_t Model::vocab_size() const {
  return impl_->vocab_size;
}
int64_t Model::context_length() const {
  return impl_->context_length;
}
uint64_t Model::bytes_per_token() const {
  return impl_->bytes_per_token;
}

bool Model::can_see() const {
  return impl_->vision != nullptr;
}

int64_t Model::image_tokens(const ImageInput& image, const GenerationOptions& config) const {
  const MediaBudget budget = media_budget(*impl_, config);
  return soft_tokens({image.height(), image.width()},
                     with_budget(impl_->vision->shape(), budget.image_tokens));
}

int64_t Model::video_tokens(const VideoInput& video, const GenerationOptions& config) const {
  const MediaBudget budget = media_budget(*impl_, config);
  const PatchOptions options = with_budget(impl_->vision->shape(), budget.video_tokens);
  int64_t tokens = 0;
  for (const FrameInput& frame : video.frames()) {
    tokens += soft_tokens({frame.image.height(), frame.image.width()}, options);
  }
  return tokens;
}

std::vector<int32_t> Model::encode(std::string_view text) const {
  return impl_->tokenizer->encode(text);
}

std::string Model::decode(std::span<const int32_t> tokens) const {
  return impl_->tokenizer->decode(tokens);
}

Result Model::complete(std::string_view text, const GenerationOptions& config,
                       const EventCallback& callback) const {
  const Clock::time_point start = Clock::now();
  GenerationSettings settings = resolve(merged(impl_->defaults, config), impl_->vocab_size);
  std::vector<int32_t> prompt = encode(text);
  const auto& bos = impl_->special.bos;
  if (bos && (prompt.empty() || prompt.front() != *bos)) prompt.insert(prompt.begin(), *bos);
  fit_to_context(settings, prompt.size(), impl_->context_length);

  const std::unique_ptr<Decoder> decoder = impl_->make_decoder();
  decoder->assign(prompt, nullptr);
  Result result = generate({.model = *impl_,
                            .settings = settings,
                            .decoder = *decoder,
                            .cached = 0,
                            .tools_offered = false,
                            .callback = callback,
                            .cancelled = nullptr,
                            .start = start});
  if (!settings.include_reasoning) result.thinking.clear();
  if (callback) callback({.result = &result});
  return result;
}

}  // namespace octavo
