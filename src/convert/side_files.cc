#include "convert/side_files.h"

#include <array>

#include "base/fail.h"

namespace octavo::convert {
namespace {

constexpr std::array<const char*, 16> kSideFiles = {
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "viterbi_calibration.json",
    "LICENSE",
    "LICENSE.txt",
    "LICENSE.md",
    "NOTICE",
};

}  // namespace

std::vector<std::string> copy_side_files(const std::filesystem::path& from,
                                         const std::filesystem::path& to) {
  std::vector<std::string> copied;
  for (const char* name : kSideFiles) {
    if (!std::filesystem::is_regular_file(from / name)) continue;
    std::error_code error;
    std::filesystem::copy_file(from / name, to / name, error);
    if (error) {
      fail(ErrorCode::kIo, "{}: cannot copy: {}", (from / name).string(), error.message());
    }
    copied.emplace_back(name);
  }
  return copied;
}

}  // namespace octavo::convert
