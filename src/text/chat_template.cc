#include "text/chat_template.h"

#include <octavo_ffi.h>
#include <octavo_ffi_error.h>

#include "base/fail.h"
#include "base/mapped_file.h"
#include "checkpoint/json_file.h"

namespace octavo {
namespace {

using Json = nlohmann::ordered_json;

/// Names under which templates find the control tokens that they write themselves.
struct TokenNames {
  std::string bos = "<bos>";
  std::string eos = "<eos>";
  std::string pad = "<pad>";
  std::string unk = "<unk>";
};

std::string read_text(const std::filesystem::path& path) {
  const MappedFile file(path);
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

nlohmann::json read_tokenizer_config(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return nlohmann::json::object();
  nlohmann::json config = read_json_file(path);
  if (!config.is_object()) fail(ErrorCode::kBadFile, "{}: not a JSON object", path.string());
  return config;
}

/// A token is written as a string or as an object with the string in "content".
void read_token(const nlohmann::json& config, const char* field, std::string& token) {
  auto entry = config.find(field);
  if (entry == config.end()) return;
  const nlohmann::json* value = &*entry;
  if (value->is_object() && value->contains("content")) value = &(*value)["content"];
  if (value->is_string()) token = value->get<std::string>();
}

TokenNames token_names(const nlohmann::json& config) {
  TokenNames names;
  read_token(config, "bos_token", names.bos);
  read_token(config, "eos_token", names.eos);
  read_token(config, "pad_token", names.pad);
  read_token(config, "unk_token", names.unk);
  return names;
}

/// One template, or a list of {"name", "template"} of which the one named "default" counts.
std::string configured_template(const nlohmann::json& config) {
  const auto entry = config.find("chat_template");
  if (entry == config.end()) return {};
  if (entry->is_string()) return entry->get<std::string>();
  if (!entry->is_array()) return {};
  for (const nlohmann::json& named : *entry) {
    if (!named.is_object() || named.value("name", nlohmann::json()) != "default") continue;
    const nlohmann::json source = named.value("template", nlohmann::json());
    if (source.is_string()) return source.get<std::string>();
  }
  return {};
}

std::string builtin_template() {
  const OctavoFfiText text = octavo_ffi_builtin_template();
  return {text.data, text.size};
}

Json context_of(const ChatRequest& request, const TokenNames& names) {
  Json context = {{"messages", request.messages},
                  {"tools", request.tools},
                  {"documents", nullptr},
                  {"add_generation_prompt", request.add_generation_prompt},
                  {"enable_thinking", request.enable_thinking},
                  {"bos_token", names.bos},
                  {"eos_token", names.eos},
                  {"pad_token", names.pad},
                  {"unk_token", names.unk}};
  if (!request.extra.is_object()) return context;
  for (const auto& [name, value] : request.extra.items()) context[name] = value;
  return context;
}

}  // namespace

struct ChatTemplate::Impl {
  OctavoFfiTemplate* handle = nullptr;
  TokenNames names;
  std::string name;  // the file, for errors
  ~Impl() { octavo_ffi_template_free(handle); }

  void parse(const std::string& source, const std::string& file) {
    name = file;
    if (octavo_ffi_template_parse(source.data(), source.size(), &handle) != OCTAVO_FFI_OK) {
      fail(ErrorCode::kBadFile, "{}: chat template does not parse: {}", name,
           printable(ffi_error_text(), 300));
    }
  }
};

ChatTemplate::ChatTemplate() : impl_(std::make_unique<Impl>()) {}
ChatTemplate::~ChatTemplate() = default;

std::shared_ptr<const ChatTemplate> ChatTemplate::load(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "chat_template.jinja";
  const std::filesystem::path config_file = folder / "tokenizer_config.json";
  const nlohmann::json config = read_tokenizer_config(config_file);
  std::string source;
  std::string name = "built-in template";
  if (std::filesystem::exists(file)) {
    source = read_text(file);
    if (source.empty()) fail(ErrorCode::kBadFile, "{}: is empty", file.string());
    name = file.string();
  } else if (source = configured_template(config); !source.empty()) {
    name = config_file.string();
  } else {
    source = builtin_template();
  }
  const std::shared_ptr<ChatTemplate> loaded(new ChatTemplate());
  loaded->impl_->names = token_names(config);
  loaded->impl_->parse(source, name);
  return loaded;
}

std::shared_ptr<const ChatTemplate> ChatTemplate::parse(const std::string& source,
                                                        const std::string& name) {
  const std::shared_ptr<ChatTemplate> parsed(new ChatTemplate());
  parsed->impl_->parse(source, name);
  return parsed;
}

std::string ChatTemplate::render(const ChatRequest& request) const {
  const std::string context =
      context_of(request, impl_->names).dump(-1, ' ', false, Json::error_handler_t::replace);
  OctavoFfiBytes text{};
  const OctavoFfiStatus status =
      octavo_ffi_template_render(impl_->handle, context.data(), context.size(), &text);
  if (status == OCTAVO_FFI_INTERNAL) {
    fail(ErrorCode::kInternal, "{}: {}", impl_->name, printable(ffi_error_text(), 300));
  }
  if (status != OCTAVO_FFI_OK) {
    fail(ErrorCode::kBadRequest, "{}: {}", impl_->name, ffi_error_text());
  }
  const std::unique_ptr<OctavoFfiBytes, void (*)(OctavoFfiBytes*)> owner(
      &text, [](OctavoFfiBytes* owned) { octavo_ffi_bytes_free(*owned); });
  return {reinterpret_cast<const char*>(text.data), text.size};
}

}  // namespace octavo
