// session: the loop from a prefilled prompt to a finished answer.
#pragma once

#include <atomic>
#include <chrono>

#include "engine/decoder.h"
#include "octavo/generation.h"
#include "session/generation_settings.h"
#include "session/model_impl.h"

namespace octavo {

using Clock = std::chrono::steady_clock;

struct GenerationRequest {
  const Model::Impl& model;
  const GenerationSettings& settings;
  Decoder& decoder;  // holds the prompt
  size_t cached;     // prompt tokens that were not computed anew
  bool tools_offered;
  const EventCallback& callback;       // gets the pieces, not the end; may be empty
  const std::atomic<bool>* cancelled;  // may be null
  Clock::time_point start;             // of the call
};

/// The answer to the prompt in the decoder; its tool calls have no ids yet.
Result generate(const GenerationRequest& request);

/// Lowers max_new_tokens to what the context leaves. Throws kBadRequest if it leaves nothing.
void fit_to_context(GenerationSettings& settings, size_t prompt_tokens, int64_t context_length);

}  // namespace octavo
