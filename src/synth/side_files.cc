#include "synth/side_files.h"

#include <octavo_ffi.h>

#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/output_folder.h"
#include "synth/vocabulary.h"

namespace octavo::synth {
namespace {

using nlohmann::ordered_json;

constexpr const char* kSpace = "\u2581";

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump();
}

ordered_json added_tokens(const Vocabulary& vocabulary) {
  ordered_json tokens = ordered_json::array();
  for (const int32_t id : vocabulary.special) {
    tokens.push_back({{"id", id},
                      {"content", vocabulary.tokens[static_cast<size_t>(id)]},
                      {"single_word", false},
                      {"lstrip", false},
                      {"rstrip", false},
                      {"normalized", false},
                      {"special", true}});
  }
  return tokens;
}

/// Everything but the model: text is not split, a space is written as U+2581, and nothing is put
/// around it.
ordered_json tokenizer_head(const Vocabulary& vocabulary) {
  const auto sequence = [](const char* id, int type) {
    return ordered_json{{"Sequence", {{"id", id}, {"type_id", type}}}};
  };
  const auto replace = [](const char* from, const char* to) {
    return ordered_json{{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
  };
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added_tokens(vocabulary)},
          {"normalizer", replace(" ", kSpace)},
          {"pre_tokenizer",
           {{"type", "Split"},
            {"pattern", {{"String", " "}}},
            {"behavior", "MergedWithPrevious"},
            {"invert", false}}},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single", ordered_json::array({sequence("A", 0)})},
            {"pair", ordered_json::array({sequence("A", 0), sequence("B", 1)})},
            {"special_tokens", ordered_json::object()}}},
          {"decoder",
           {{"type", "Sequence"},
            {"decoders",
             ordered_json::array(
                 {replace(kSpace, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}})}}}};
}

/// By hand: a quarter of a million keys in the order of their ids are too many for ordered_json,
/// which searches them one by one.
std::string tokenizer_json(const Vocabulary& vocabulary) {
  std::string text = tokenizer_head(vocabulary).dump(2);
  text.resize(text.size() - 2);  // "\n}"
  text += R"(,
  "model": {
    "type": "BPE",
    "dropout": null,
    "unk_token": "<unk>",
    "continuing_subword_prefix": null,
    "end_of_word_suffix": null,
    "fuse_unk": true,
    "byte_fallback": true,
    "ignore_merges": false,
    "vocab": {)";
  std::vector<std::string> names;
  for (const std::string& token : vocabulary.tokens) {
    const char* separator = names.empty() ? "" : ",";
    names.push_back(quoted(token));
    text += fmt::format("{}\n      {}: {}", separator, names.back(), names.size() - 1);
  }
  text += "\n    },\n    \"merges\": [";
  const char* separator = "";
  for (const auto& [left, right] : vocabulary.merges) {
    text += fmt::format("{}\n      [\n        {},\n        {}\n      ]", separator,
                        names[static_cast<size_t>(left)], names[static_cast<size_t>(right)]);
    separator = ",";
  }
  return text + "\n    ]\n  }\n}\n";
}

ordered_json tokenizer_config(int64_t positions) {
  return {{"tokenizer_class", "PreTrainedTokenizerFast"},
          {"padding_side", "left"},
          {"clean_up_tokenization_spaces", false},
          {"model_max_length", positions},
          {"pad_token", "<pad>"},
          {"eos_token", "<eos>"},
          {"bos_token", "<bos>"},
          {"unk_token", "<unk>"},
          {"mask_token", "<mask>"},
          {"sot_token", "<|turn>"},
          {"eot_token", "<turn|>"},
          {"soc_token", "<|channel>"},
          {"eoc_token", "<channel|>"},
          {"think_token", "<|think|>"},
          {"escape_token", "<|\"|>"},
          {"std_token", "<|tool>"},
          {"etd_token", "<tool|>"},
          {"stc_token", "<|tool_call>"},
          {"etc_token", "<tool_call|>"},
          {"str_token", "<|tool_response>"},
          {"etr_token", "<tool_response|>"},
          {"boi_token", "<|image>"},
          {"eoi_token", "<image|>"},
          {"image_token", "<|image|>"},
          {"boa_token", "<|audio>"},
          {"eoa_token", "<audio|>"},
          {"audio_token", "<|audio|>"}};
}

ordered_json generation_config() {
  return {{"bos_token_id", 2}, {"do_sample", true},  {"eos_token_id", {1, 106, 50}},
          {"pad_token_id", 0}, {"temperature", 1.0}, {"top_k", 64},
          {"top_p", 0.95}};
}

}  // namespace

void check_vocabulary_size(int64_t size, const std::string& source) {
  if (size < kMinVocabulary) {
    fail(ErrorCode::kBadRequest,
         "{}: vocab_size is {}, expected at least {}: the bytes, special tokens and the space",
         source, size, kMinVocabulary);
  }
}

void write_side_files(const std::filesystem::path& folder, const ModelConfig& config) {
  const auto write = [&](const char* name, std::string_view text) {
    write_file_atomically(folder / name, text);
  };
  write("tokenizer.json", tokenizer_json(make_vocabulary(config.text.vocab_size)));
  write("tokenizer_config.json",
        tokenizer_config(config.text.max_position_embeddings).dump(2) + "\n");
  const OctavoFfiText chat_template = octavo_ffi_builtin_template();
  write("chat_template.jinja", {chat_template.data, chat_template.size});
  write("generation_config.json", generation_config().dump(2) + "\n");
}

}  // namespace octavo::synth
