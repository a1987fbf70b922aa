// session: what a Model consists of. Tests put one together from a script instead of weights.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "engine/decoder.h"
#include "model/language_model.h"
#include "octavo/model.h"
#include "session/special_tokens.h"
#include "session/vision.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace octavo {

struct Model::Impl {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const ChatTemplate> chat_template;
  SpecialTokens special;
  GenerationOptions defaults;  // of the checkpoint
  int64_t vocab_size = 0;
  int64_t context_length = 0;
  uint64_t bytes_per_token = 0;
  std::shared_ptr<Vision> vision;                          // null: the model cannot see
  std::shared_ptr<LanguageModel> language_model;           // null where a script plays the model
  std::function<std::unique_ptr<Decoder>()> make_decoder;  // an empty sequence
};

}  // namespace octavo
