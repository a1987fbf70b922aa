// A small E model of random weights, for tests of per-layer inputs and of layers that share keys
// and values: layers "ssfssf", of which the last three share (sliding ones with layer 1, full ones
// with layer 2), hidden 64, 4 heads, 1 KV head of 16 (sliding) or 32 (full), window 100, MLP 96
// (192 in layers that share), per-layer inputs of 32, vocabulary 2048.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "model/language_model.h"

namespace octavo {

inline constexpr int64_t kVocab = 2048;

/// Written on first use, in BF16 or with the recipe "card" (mostly MXFP8); the folder is removed
/// when the program ends.
std::filesystem::path small_e_model(const std::string& layout = "bf16");

inline std::unique_ptr<LanguageModel> load_small_e_model(const ModelOptions& options,
                                                         const std::string& layout = "bf16") {
  return LanguageModel::load(small_e_model(layout), options);
}

}  // namespace octavo
