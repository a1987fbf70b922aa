// A model whose every prompt is computed from nothing, to compare with one that reuses its cache.
#pragma once

#include <functional>
#include <memory>

#include "session/model_impl.h"

namespace octavo {

class ColdDecoder : public Decoder {
 public:
  explicit ColdDecoder(std::function<std::unique_ptr<Decoder>()> make)
      : make_(std::move(make)), decoder_(make_()) {}
  size_t reusable(const PromptView&) const override { return 0; }
  size_t assign(const PromptView& prompt, const std::atomic<bool>* cancelled) override {
    decoder_ = make_();
    return decoder_->assign(prompt, cancelled);
  }
  void append(int32_t token) override { decoder_->append(token); }
  std::span<const int32_t> tokens() const override { return decoder_->tokens(); }
  std::span<const float> logits() const override { return decoder_->logits(); }
  std::unique_ptr<Decoder> fork() const override { return std::make_unique<ColdDecoder>(make_); }

 private:
  std::function<std::unique_ptr<Decoder>()> make_;
  std::unique_ptr<Decoder> decoder_;
};

inline Model cold(const Model& model) {
  auto impl = std::make_shared<Model::Impl>(model.impl());
  impl->make_decoder = [make = model.impl().make_decoder] {
    return std::make_unique<ColdDecoder>(make);
  };
  return Model(impl);
}

}  // namespace octavo
