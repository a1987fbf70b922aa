// synth: the files of a model folder that are not weights.
#pragma once

#include <filesystem>
#include <string>

#include "checkpoint/model_config.h"

namespace octavo::synth {

/// Throws kBadRequest if a vocabulary of `size` has no room for the bytes and special tokens.
/// `source` names the configuration.
void check_vocabulary_size(int64_t size, const std::string& source);

/// Writes tokenizer.json with the configuration's number of tokens, tokenizer_config.json,
/// chat_template.jinja (Gemma 4's) and generation_config.json.
void write_side_files(const std::filesystem::path& folder, const ModelConfig& config);

}  // namespace octavo::synth
