#include "scripted_model.h"

#include <algorithm>

#include "base/fail.h"

namespace octavo {
namespace {

constexpr int64_t kContext = 2000;

class ScriptedDecoder : public Decoder {
 public:
  explicit ScriptedDecoder(ScriptedModel& model) : model_(&model) {}

  size_t reusable(const PromptView& prompt) const override {
    const auto& [tokens, images] = prompt;
    size_t kept = std::min<size_t>(std::ranges::mismatch(tokens_, tokens).in1 - tokens_.begin(),
                                   tokens.size() - 1);
    const auto other = std::ranges::mismatch(images_, images, &PromptImage::same_run);
    if (other.in1 != images_.end()) kept = std::min(kept, other.in1->first_token);
    if (other.in2 != images.end()) kept = std::min(kept, other.in2->first_token);
    return tokens_.size() - kept <= model_->max_rewind ? kept : 0;
  }

  size_t assign(const PromptView& prompt, const std::atomic<bool>*) override {
    const size_t kept = reusable(prompt);
    for (const PromptImage& image : prompt.images) {
      if (image.first_token >= kept && !image.features) {
        fail(ErrorCode::kInternal, "picture at {} has no features", image.first_token);
      }
    }
    model_->prompts.emplace_back(prompt.tokens.begin(), prompt.tokens.end());
    model_->images.emplace_back(prompt.images.begin(), prompt.images.end());
    model_->cached.push_back(kept);
    tokens_.assign(prompt.tokens.begin(), prompt.tokens.end());
    images_.assign(prompt.images.begin(), prompt.images.end());
    prompt_length_ = tokens_.size();
    compute();
    return kept;
  }

  void append(int32_t token) override {
    tokens_.push_back(token);
    compute();
  }

  std::span<const int32_t> tokens() const override { return tokens_; }
  std::span<const float> logits() const override { return logits_; }
  std::unique_ptr<Decoder> fork() const override {
    return std::make_unique<ScriptedDecoder>(*this);
  }

 private:
  void compute() {
    const std::span<const int32_t> all(tokens_);
    logits_.assign(static_cast<size_t>(model_->impl->vocab_size), 0.0f);
    logits_[model_->script(all.first(prompt_length_), all.subspan(prompt_length_))] = 10.0f;
  }

  ScriptedModel* model_;
  std::vector<int32_t> tokens_;
  std::vector<PromptImage> images_;
  size_t prompt_length_ = 0;
  std::vector<float> logits_;
};

}  // namespace

void ScriptedModel::open_eyes(uint64_t cache_bytes) {
  const auto encode = [this](const ImagePatches& patches, const std::atomic<bool>&) {
    while_encoding();
    encoded.push_back(patches.rows * patches.columns / 9);
    Tensor features(encoded.back(), 16);
    std::fill_n(features.row(0), 16, static_cast<float>(patches.values[0]));
    return features;
  };
  impl->vision = std::make_shared<Vision>(PatchOptions{}, encode, cache_bytes);
}

std::shared_ptr<ScriptedModel> scripted_model(Script script) {
  static const std::string folder = std::string(OCTAVO_SOURCE_DIR) + "/models/capitals";
  auto model = std::make_shared<ScriptedModel>();
  model->script = std::move(script);
  model->impl = std::make_shared<Model::Impl>();
  Model::Impl& impl = *model->impl;
  impl.tokenizer = Tokenizer::load(folder);
  impl.chat_template = ChatTemplate::load(folder);
  impl.vocab_size = impl.tokenizer->vocab_size();
  impl.context_length = kContext;
  impl.special = SpecialTokens::find(*impl.tokenizer, {}, impl.vocab_size);
  impl.make_decoder = [raw = model.get()] {
    ++raw->decoders_made;
    return std::make_unique<ScriptedDecoder>(*raw);
  };
  return model;
}

std::shared_ptr<ScriptedModel> scripted_model(std::vector<std::string> replies) {
  auto model = scripted_model(Script{});
  std::vector<std::vector<int32_t>> tokens;
  for (const std::string& reply : replies) {
    tokens.push_back(model->impl->tokenizer->encode(reply));
    tokens.back().push_back(model->id("<turn|>"));
  }
  model->script = [tokens, raw = model.get()](auto, std::span<const int32_t> answer) {
    return tokens.at(raw->prompts.size() - 1).at(answer.size());
  };
  return model;
}

}  // namespace octavo
