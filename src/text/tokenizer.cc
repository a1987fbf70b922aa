#include "text/tokenizer.h"

#include <octavo_ffi.h>
#include <octavo_ffi_error.h>

#include <array>

#include "base/fail.h"
#include "base/mapped_file.h"
#include "text/token_bytes.h"
#include "text/utf8.h"

namespace octavo {
namespace {

/// Without these no chat can be written or read.
constexpr std::array<std::string_view, 12> kRequiredTokens = {
    "<bos>",      "<eos>",        "<|turn>",      "<turn|>",          "<|channel>",
    "<channel|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>",
    "<|\"|>",     "<|think|>",
};

}  // namespace

struct Tokenizer::Impl {
  OctavoFfiTokenizer* handle = nullptr;
  ~Impl() { octavo_ffi_tokenizer_free(handle); }
};

Tokenizer::Tokenizer() : impl_(std::make_unique<Impl>()) {}
Tokenizer::~Tokenizer() = default;

std::shared_ptr<const Tokenizer> Tokenizer::load(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "tokenizer.json";
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

std::shared_ptr<const Tokenizer> Tokenizer::parse(std::string_view json, const std::string& name) {
  const std::shared_ptr<Tokenizer> tokenizer(new Tokenizer());
  OctavoFfiTokenizer*& handle = tokenizer->impl_->handle;
  if (octavo_ffi_tokenizer_parse(json.data(), json.size(), &handle) != OCTAVO_FFI_OK) {
    fail(ErrorCode::kBadFile, "{}: {}", name, printable(ffi_error_text(), 300));
  }
  for (const std::string_view token : kRequiredTokens) {
    const std::optional<int32_t> id = tokenizer->id(token);
    if (!id) {
      fail(ErrorCode::kBadFile, "{}: no token {}, expected a vocabulary of Gemma 4", name, token);
    }
    if (tokenizer->encode(token) != std::vector<int32_t>{*id} || !tokenizer->is_special(*id)) {
      fail(ErrorCode::kBadFile, "{}: {} is not among added_tokens as a special token", name, token);
    }
  }
  return tokenizer;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  OctavoFfiIds ids{};
  if (octavo_ffi_tokenizer_encode(impl_->handle, text.data(), text.size(), &ids) != OCTAVO_FFI_OK) {
    fail(ErrorCode::kInternal, "tokenizer: {}", printable(ffi_error_text(), 300));
  }
  const std::unique_ptr<OctavoFfiIds, void (*)(OctavoFfiIds*)> owner(
      &ids, [](OctavoFfiIds* owned) { octavo_ffi_ids_free(*owned); });
  return {ids.data, ids.data + ids.size};
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool with_special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    if (with_special || !is_special(id)) bytes += token_bytes(token(id));
  }
  return take_complete_utf8(bytes, /*at_end=*/true);
}

std::optional<int32_t> Tokenizer::id(std::string_view token) const {
  const int64_t id = octavo_ffi_tokenizer_id(impl_->handle, token.data(), token.size());
  if (id < 0) return std::nullopt;
  return static_cast<int32_t>(id);
}

std::string Tokenizer::token(int32_t id) const {
  if (id < 0) return {};
  const OctavoFfiText text = octavo_ffi_tokenizer_token(impl_->handle, static_cast<uint32_t>(id));
  return text.size == 0 ? std::string() : std::string(text.data, text.size);
}

bool Tokenizer::is_special(int32_t id) const {
  return id >= 0 && octavo_ffi_tokenizer_is_special(impl_->handle, static_cast<uint32_t>(id)) != 0;
}

int32_t Tokenizer::vocab_size() const {
  return static_cast<int32_t>(octavo_ffi_tokenizer_size(impl_->handle));
}

Detokenizer::Detokenizer(std::shared_ptr<const Tokenizer> tokenizer)
    : tokenizer_(std::move(tokenizer)) {}

std::string Detokenizer::push(int32_t id) {
  if (tokenizer_->is_special(id)) return {};
  pending_ += token_bytes(tokenizer_->token(id));
  return take_complete_utf8(pending_);
}

std::string Detokenizer::flush() {
  return take_complete_utf8(pending_, /*at_end=*/true);
}

}  // namespace octavo
