#include "engine/sequence.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"

namespace octavo {
namespace {

/// Where the first picture begins that only one of two sequences has.
size_t first_difference(std::span<const PromptImage> a, std::span<const PromptImage> b) {
  const auto [in_a, in_b] = std::ranges::mismatch(a, b, &PromptImage::same_run);
  size_t first = SIZE_MAX;
  if (in_a != a.end()) first = in_a->first_token;
  if (in_b != b.end()) first = std::min(first, in_b->first_token);
  return first;
}

}  // namespace

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

size_t Sequence::reusable(const PromptView& prompt) const {
  const auto& [tokens, images] = prompt;
  if (tokens.empty()) return 0;
  const auto difference = std::ranges::mismatch(tokens_, tokens);
  const auto common = static_cast<size_t>(difference.in1 - tokens_.begin());
  // The last token is always computed: its logits are wanted.
  size_t kept = std::min({common, tokens.size() - 1, first_difference(images_, images)});
  for (const PromptImage& image : images) {
    if (image.first_token < kept && kept < image.end()) kept = image.first_token;
  }
  return cache_.can_truncate(static_cast<int64_t>(kept)) ? kept : 0;
}

Sequence::Assigned Sequence::assign(const PromptView& prompt, const std::atomic<bool>* cancelled,
                                    const std::function<void(size_t, size_t)>& progress) {
  const auto& [tokens, images] = prompt;
  check(tokens);
  const size_t reused = reusable(prompt);
  check_images(prompt, reused);
  if (reused == 0) {
    cache_ = model_->make_cache();
  } else {
    cache_.truncate(static_cast<int64_t>(reused));
  }
  tokens_.resize(reused);
  std::erase_if(images_, [&](const PromptImage& image) { return image.first_token >= reused; });
  for (size_t done = reused; done < tokens.size();) {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) {
      fail(ErrorCode::kCancelled, "cancelled during prefill");
    }
    const size_t end = chunk_end(prompt, done, static_cast<size_t>(prefill_chunk_));
    compute(tokens.subspan(done, end - done), images_within(images, done, end),
            end == tokens.size(), Phase::kPrefill);
    done = end;
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
  compute(one, {}, true, Phase::kDecode);
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

void Sequence::check_images(const PromptView& prompt, size_t reused) const {
  size_t free = 0;  // the first token behind the pictures so far
  for (const PromptImage& image : prompt.images) {
    if (image.count == 0 || image.first_token < free || image.first_token > prompt.tokens.size() ||
        image.count > prompt.tokens.size() - image.first_token) {
      fail(ErrorCode::kBadRequest,
           "picture of {} tokens at position {} overlaps another or the end of the prompt ({})",
           image.count, image.first_token, prompt.tokens.size());
    }
    free = image.end();
    if (image.first_token < reused) continue;
    const int64_t hidden = model_->config().text.hidden_size;
    if (image.features == nullptr || std::cmp_not_equal(image.features->rows(), image.count) ||
        image.features->cols() != hidden) {
      fail(ErrorCode::kBadRequest, "picture at position {} needs features of {} x {}",
           image.first_token, image.count, hidden);
    }
  }
}

void Sequence::compute(std::span<const int32_t> tokens, std::span<const PromptImage> images,
                       bool want_logits, Phase phase) {
  const Segment segment{&cache_, std::ssize(tokens)};
  const int64_t last = std::ssize(tokens) - 1;
  std::span<const int64_t> rows(&last, want_logits ? 1 : 0);
  const std::vector<ImageRun> runs = image_runs(images, tokens_.size());
  model_->forward({tokens, {&segment, 1}, rows, runs, phase}, logits_);
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  for (const PromptImage& image : images) {
    images_.push_back({image.first_token, image.count, image.identity});
  }
}

}  // namespace octavo
