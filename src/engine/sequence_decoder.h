// engine: a Decoder over one Sequence of a language model.
#pragma once

#include <memory>
#include <mutex>

#include "engine/decoder.h"
#include "engine/sequence.h"

namespace octavo {

/// `turn` is held during every forward pass: the decoders of one model share it, since a model runs
/// one pass at a time.
std::unique_ptr<Decoder> make_sequence_decoder(Sequence sequence, std::shared_ptr<std::mutex> turn);

}  // namespace octavo
