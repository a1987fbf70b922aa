#include "engine/sequence.h"

#include <algorithm>

#include "base/fail.h"

namespace octavo {

Sequence::Sequence(LanguageModel& model, int prefill_chunk)
    : model_(&model),
      prefill_chunk_(prefill_chunk),
      logits_(static_cast<size_t>(model.config().text.vocab_size)),
      cache_(model.make_cache()) {
  if (prefill_chunk < 1) {
    fail(ErrorCode::kBadRequest, "prefill chunk is {}; expected at least 1", prefill_chunk);
  }
}

Sequence Sequence::fork() const {
  return *this;
}

size_t Sequence::reusable(std::span<const int32_t> tokens) const {
  if (tokens.empty()) return 0;
  const auto difference = std::ranges::mismatch(tokens_, tokens);
  const auto common = static_cast<size_t>(difference.in1 - tokens_.begin());
  // The last token is always computed: its logits are wanted.
  const size_t kept = std::min(common, tokens.size() - 1);
  return cache_.can_truncate(static_cast<int64_t>(kept)) ? kept : 0;
}

Sequence::Assigned Sequence::assign(std::span<const int32_t> tokens,
                                    const std::atomic<bool>* cancelled,
                                    const std::function<void(size_t, size_t)>& progress) {
  check(tokens);
  const size_t reused = reusable(tokens);
  if (reused == 0) {
    cache_ = model_->make_cache();
  } else {
    cache_.truncate(static_cast<int64_t>(reused));
  }
  tokens_.resize(reused);
  for (size_t done = reused; done < tokens.size();) {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) {
      fail(ErrorCode::kCancelled, "cancelled during prefill");
    }
    const size_t count = std::min(tokens.size() - done, static_cast<size_t>(prefill_chunk_));
    compute(tokens.subspan(done, count), done + count == tokens.size());
    done += count;
    if (progress) progress(done - reused, tokens.size() - reused);
  }
  return {reused, tokens.size() - reused};
}

void Sequence::append(int32_t token) {
  const std::span<const int32_t> one(&token, 1);
  check(one);
  if (std::ssize(tokens_) >= model_->config().text.max_position_embeddings) {
    fail(ErrorCode::kBadRequest, "the context of {} tokens is full", tokens_.size());
  }
  compute(one, true);
}

void Sequence::check(std::span<const int32_t> tokens) const {
  const TextConfig& text = model_->config().text;
  if (tokens.empty()) fail(ErrorCode::kBadRequest, "a prompt needs at least one token");
  if (std::ssize(tokens) > text.max_position_embeddings) {
    fail(ErrorCode::kBadRequest, "prompt of {} tokens; the context holds {}", tokens.size(),
         text.max_position_embeddings);
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && tokens[i] < text.vocab_size) continue;
    fail(ErrorCode::kBadRequest, "token {} at position {} is outside the vocabulary of {}",
         tokens[i], i, text.vocab_size);
  }
}

void Sequence::compute(std::span<const int32_t> tokens, bool want_logits) {
  const Segment segment{&cache_, std::ssize(tokens)};
  const int64_t last = std::ssize(tokens) - 1;
  std::span<const int64_t> rows(&last, want_logits ? 1 : 0);
  model_->forward({tokens, {&segment, 1}, rows}, logits_);
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
}

}  // namespace octavo
