// text: tokens to text and back, by the ecosystem's own tokenizer (ffi/), plus streaming
// detokenising.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

class Tokenizer {
 public:
  /// Loads `folder`/tokenizer.json. Throws kIo / kBadFile naming the file, also if one of the
  /// control tokens that every chat needs is missing.
  static std::shared_ptr<const Tokenizer> load(const std::filesystem::path& folder);
  /// The same from memory; `name` stands for the file in messages.
  static std::shared_ptr<const Tokenizer> parse(std::string_view json, const std::string& name);
  ~Tokenizer();

  /// Ids of `text`; special tokens written in the text become their ids. No BOS is added.
  /// Invalid UTF-8 is replaced by U+FFFD first.
  std::vector<int32_t> encode(std::string_view text) const;

  /// Text of `ids`; special tokens are left out unless asked for. Bytes that form no UTF-8 become
  /// U+FFFD, one for each longest piece that could have begun a character.
  std::string decode(std::span<const int32_t> ids, bool with_special = false) const;

  std::optional<int32_t> id(std::string_view token) const;  // exact vocabulary entry, "<|turn>"
  std::string token(int32_t id) const;                      // its entry; empty if out of range
  bool is_special(int32_t id) const;
  int32_t vocab_size() const;

 private:
  Tokenizer();
  friend class Detokenizer;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Turns a stream of ids into text, holding back bytes of an incomplete UTF-8 character. Special
/// tokens give no text.
class Detokenizer {
 public:
  explicit Detokenizer(std::shared_ptr<const Tokenizer> tokenizer);
  std::string push(int32_t id);  // the text that is certain now (may be empty)
  std::string flush();           // what is left; an incomplete character becomes U+FFFD
 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::string pending_;
};

}  // namespace octavo
