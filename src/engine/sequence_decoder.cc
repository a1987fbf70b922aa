#include "engine/sequence_decoder.h"

namespace octavo {
namespace {

class SequenceDecoder : public Decoder {
 public:
  SequenceDecoder(Sequence sequence, std::shared_ptr<std::mutex> turn)
      : sequence_(std::move(sequence)), turn_(std::move(turn)) {}

  size_t reusable(const PromptView& prompt) const override { return sequence_.reusable(prompt); }

  size_t assign(const PromptView& prompt, const std::atomic<bool>* cancelled) override {
    const std::lock_guard lock(*turn_);
    return sequence_.assign(prompt, cancelled).reused;
  }

  void append(int32_t token) override {
    const std::lock_guard lock(*turn_);
    sequence_.append(token);
  }

  std::span<const int32_t> tokens() const override { return sequence_.tokens(); }
  std::span<const float> logits() const override { return sequence_.logits(); }

  std::unique_ptr<Decoder> fork() const override {
    return std::make_unique<SequenceDecoder>(sequence_.fork(), turn_);
  }

 private:
  Sequence sequence_;
  std::shared_ptr<std::mutex> turn_;
};

}  // namespace

std::unique_ptr<Decoder> make_sequence_decoder(Sequence sequence,
                                               std::shared_ptr<std::mutex> turn) {
  return std::make_unique<SequenceDecoder>(std::move(sequence), std::move(turn));
}

}  // namespace octavo
