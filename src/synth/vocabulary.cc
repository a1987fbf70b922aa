#include "synth/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>

namespace octavo::synth {
namespace {

constexpr std::array<std::pair<int32_t, std::string_view>, 17> kControls = {
    {{0, "<pad>"},
     {1, "<eos>"},
     {2, "<bos>"},
     {3, "<unk>"},
     {4, "<mask>"},
     {46, "<|tool>"},
     {47, "<tool|>"},
     {48, "<|tool_call>"},
     {49, "<tool_call|>"},
     {50, "<|tool_response>"},
     {51, "<tool_response|>"},
     {52, "<|\"|>"},
     {98, "<|think|>"},
     {100, "<|channel>"},
     {101, "<channel|>"},
     {105, "<|turn>"},
     {106, "<turn|>"}}};
constexpr std::array<std::pair<int32_t, std::string_view>, 7> kMedia = {{{255999, "<|image>"},
                                                                         {256000, "<|audio>"},
                                                                         {258880, "<|image|>"},
                                                                         {258881, "<|audio|>"},
                                                                         {258882, "<image|>"},
                                                                         {258883, "<audio|>"},
                                                                         {258884, "<|video|>"}}};

constexpr int64_t kNewlines = 107, kSpaces = 138, kTabs = 255968, kLongestRun = 31;
constexpr int64_t kBytes = 238, kPieces = 494;
// In the original, single characters are the last of the pieces.
constexpr int64_t kAllPieces = kTabs - kPieces, kAllCharacters = 19225;
constexpr int64_t kAscii = 95;  // with the space
constexpr int64_t kFourLetterPieces = 86000;
constexpr std::string_view kSpace = "\u2581";

/// Scripts from which characters are taken, in this order, until there are enough.
constexpr std::array<std::pair<char32_t, char32_t>, 10> kScripts = {{{0x21, 0x7E},
                                                                     {0xA1, 0x24F},
                                                                     {0x370, 0x52F},
                                                                     {0x5D0, 0x5EA},
                                                                     {0x621, 0x64A},
                                                                     {0x905, 0x939},
                                                                     {0xE01, 0xE3A},
                                                                     {0x3041, 0x3096},
                                                                     {0x30A1, 0x30FA},
                                                                     {0x4E00, 0x9FA5}}};
constexpr char32_t kIdeographs = 0x4E00, kPairedIdeographs = 300;

std::string utf8(char32_t c) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), tail(0)};
  return {static_cast<char>(0xE0 | c >> 12), tail(6), tail(0)};
}

std::string repeat(std::string_view text, int64_t times) {
  std::string result;
  for (int64_t i = 0; i < times; ++i) result += text;
  return result;
}

/// Letters of a pattern: lower case, upper case, consonant, vowel.
std::string_view letters(char kind) {
  switch (kind) {
    case 'L':
      return "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    case 'c':
      return "bcdfghjklmnpqrstvwxyz";
    case 'v':
      return "aeiou";
    default:
      return "abcdefghijklmnopqrstuvwxyz";
  }
}

class Builder {
 public:
  explicit Builder(int64_t size) : size_(size) {
    vocabulary_.tokens.resize(static_cast<size_t>(size));
  }

  Vocabulary build() {
    add_controls();
    add_run("\n", kNewlines, 1);
    add_run(kSpace, kSpaces, 2);
    for (int byte = 0; byte < 256; ++byte) put(kBytes + byte, fmt::format("<0x{:02X}>", byte));
    if (original_size()) add_run("\t", kTabs, 1);
    add_pieces();
    add_merges();
    fill_unused();
    return std::move(vocabulary_);
  }

 private:
  bool original_size() const { return size_ > kMedia.back().first; }

  void put(int64_t id, std::string token) {
    vocabulary_.tokens[static_cast<size_t>(id)] = std::move(token);
  }

  void add_controls() {
    for (const auto& [id, token] : kControls) add_special(id, token);
    int64_t last = size_ - std::ssize(kMedia);
    for (const auto& [id, token] : kMedia) add_special(original_size() ? id : last++, token);
  }

  void add_special(int64_t id, std::string_view token) {
    put(id, std::string(token));
    vocabulary_.special.push_back(static_cast<int32_t>(id));
  }

  void add_run(std::string_view text, int64_t first_id, int64_t shortest) {
    for (int64_t n = shortest; n <= kLongestRun; ++n) {
      add_mergeable(first_id + n - shortest, repeat(text, n));
    }
  }

  /// Text that merges may lead to.
  void add_mergeable(int64_t id, std::string token) {
    ids_.emplace(token, static_cast<int32_t>(id));
    put(id, std::move(token));
  }

  void add_pieces() {
    const int64_t end = original_size() ? kTabs : size_ - std::ssize(kMedia);
    const int64_t count = end - kPieces;
    const int64_t characters =
        std::max(std::min(count, kAscii), count * kAllCharacters / kAllPieces);
    first_character_ = end - characters;
    add_characters(end);
    next_ = kPieces;
    for (const char* pattern :
         {"ll", "_l", "_L", "Ll", "lll", "_ll", "_Ll", "_lll", "Lll", "_Lll"}) {
      add_pattern(pattern, first_character_);
    }
    const int64_t last = std::min(first_character_, next_ + kFourLetterPieces);
    for (const char* pattern : {"cvcv", "vcvc", "cvcc", "ccvc"}) add_pattern(pattern, last);
    add_ideograph_pairs();
  }

  void add_characters(int64_t end) {
    int64_t id = first_character_;
    if (id < end) add_mergeable(id++, std::string(kSpace));
    for (const auto& [first, last] : kScripts) {
      for (char32_t c = first; c <= last && id < end; ++c) add_mergeable(id++, utf8(c));
    }
  }

  /// All texts of the pattern, until `end` is the next id.
  void add_pattern(std::string_view pattern, int64_t end, const std::string& begun = "") {
    if (next_ >= end) return;
    if (pattern.empty()) {
      add_mergeable(next_++, begun);
    } else if (pattern[0] == '_') {
      add_pattern(pattern.substr(1), end, begun + std::string(kSpace));
    } else {
      for (const char letter : letters(pattern[0]))
        add_pattern(pattern.substr(1), end, begun + letter);
    }
  }

  void add_ideograph_pairs() {
    for (char32_t a = 0; a < kPairedIdeographs; ++a) {
      for (char32_t b = 0; b < kPairedIdeographs; ++b) {
        const std::string left = utf8(kIdeographs + a), right = utf8(kIdeographs + b);
        if (next_ >= first_character_ || !ids_.contains(left) || !ids_.contains(right)) return;
        add_mergeable(next_++, left + right);
      }
    }
  }

  /// Every way to cut a text into two others leads to it, as in vocabularies that came from
  /// SentencePiece; texts in the order of their ids.
  void add_merges() {
    for (const std::string& token : vocabulary_.tokens) {
      if (!ids_.contains(token)) continue;
      for (size_t cut = 1; cut < token.size(); ++cut) {
        const auto left = ids_.find(token.substr(0, cut)), right = ids_.find(token.substr(cut));
        if (left == ids_.end() || right == ids_.end()) continue;
        vocabulary_.merges.emplace_back(left->second, right->second);
      }
    }
  }

  void fill_unused() {
    for (size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      std::string& token = vocabulary_.tokens[id];
      if (token.empty()) token = fmt::format("<unused{}>", id);
    }
  }

  int64_t size_;
  int64_t first_character_ = 0, next_ = 0;
  Vocabulary vocabulary_;
  std::unordered_map<std::string, int32_t> ids_;  // of text that merges may use
};

}  // namespace

Vocabulary make_vocabulary(int64_t size) {
  return Builder(size).build();
}

}  // namespace octavo::synth
