// engine: what a sequence is asked to hold: tokens, and pictures in the place of some of them.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/tensor.h"
#include "model/language_model.h"

namespace octavo {

/// Equal for pictures that give the same soft tokens.
using ImageIdentity = std::array<uint8_t, 32>;

/// The run of placeholder tokens whose embeddings a picture's features replace.
struct PromptImage {
  size_t first_token = 0;
  size_t count = 0;  // tokens in the run, at least 1
  ImageIdentity identity{};
  /// [count, hidden]. May be null where the sequence holds the run already: see
  /// Sequence::reusable().
  std::shared_ptr<const Tensor> features{};

  size_t end() const { return first_token + count; }
  bool same_run(const PromptImage& other) const {
    return first_token == other.first_token && count == other.count && identity == other.identity;
  }
};

struct Prompt {
  std::vector<int32_t> tokens;
  std::vector<PromptImage> images;  // ascending, apart from each other
};

/// A prompt that somebody else owns; plain tokens are one too.
struct PromptView {
  std::span<const int32_t> tokens;
  std::span<const PromptImage> images;

  template <std::convertible_to<std::span<const int32_t>> Tokens>
  PromptView(const Tokens& of, std::span<const PromptImage> with = {}) : tokens(of), images(with) {}
  PromptView(const Prompt& prompt) : tokens(prompt.tokens), images(prompt.images) {}
};

/// The end of the chunk of at most `chunk` tokens that begins at `begin`. A picture is never split:
/// the chunk ends before it, or behind it, however long, if it begins there.
size_t chunk_end(const PromptView& prompt, size_t begin, size_t chunk);

/// Those that lie in [begin, end), which no picture reaches across.
std::span<const PromptImage> images_within(std::span<const PromptImage> images, size_t begin,
                                           size_t end);

/// What a batch that begins at token `begin` of a prompt says of these pictures.
std::vector<ImageRun> image_runs(std::span<const PromptImage> images, size_t begin);

}  // namespace octavo
