#include "convert/imatrix.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/fail.h"
#include "base/mapped_file.h"
#include "checkpoint/gguf.h"

namespace octavo::convert {
namespace {

using Entries = std::map<std::string, ImatrixEntry>;

constexpr uint32_t kGgufF32 = 0;

void check_values(const std::vector<float>& values, const std::string& where, const char* what) {
  for (float value : values) {
    if (!(value >= 0) || std::isinf(value)) {
      fail(ErrorCode::kBadFile, "{}: {} {} is not a finite number >= 0", where, what, value);
    }
  }
}

std::string without_suffix(std::string_view name, std::string_view suffix) {
  return std::string(name.substr(0, name.size() - suffix.size()));
}

std::vector<float> read_f32(const GgufTensor& tensor, const std::string& where) {
  if (tensor.type != kGgufF32) {
    fail(ErrorCode::kBadFile, "{}: stored as type {}, expected F32", where, tensor.type);
  }
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), values.size() * sizeof(float));
  return values;
}

Entries read_gguf(const std::filesystem::path& path) {
  const GgufFile file = GgufFile::open(path);
  const auto type = file.metadata().find("general.type");
  const std::string* text =
      type == file.metadata().end() ? nullptr : std::get_if<std::string>(&type->second);
  if (!text || *text != "imatrix") {
    fail(ErrorCode::kBadFile, "{}: general.type is '{}', expected 'imatrix'", path.string(),
         text ? printable(*text) : "missing");
  }
  constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";
  Entries entries;
  for (const auto& [name, tensor] : file.tensors()) {
    if (!name.ends_with(kSums)) continue;
    const std::string base = without_suffix(name, kSums);
    const std::string where = path.string() + ": " + printable(base);
    const auto counts = file.tensors().find(base + std::string(kCounts));
    if (counts == file.tensors().end()) {
      fail(ErrorCode::kBadFile, "{}: no {} beside {}", where, kCounts, kSums);
    }
    ImatrixEntry entry{.sums = read_f32(tensor, where), .counts = read_f32(counts->second, where)};
    if (entry.counts.empty() || entry.sums.empty() ||
        entry.sums.size() % entry.counts.size() != 0) {
      fail(ErrorCode::kBadFile, "{}: {} sums do not divide among {} counts", where,
           entry.sums.size(), entry.counts.size());
    }
    check_values(entry.sums, where, "sum");
    check_values(entry.counts, where, "count");
    entries.emplace(module_path(base), std::move(entry));
  }
  return entries;
}

/// Reads the older form front to back; every length is checked against what is left.
class DatReader {
 public:
  explicit DatReader(const std::filesystem::path& path) : file_(path), rest_(file_.bytes()) {}

  int32_t integer(const char* what, int32_t low) {
    int32_t value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    if (value < low) {
      fail(ErrorCode::kBadFile, "{}: {} is {}, expected at least {}", where(), what, value, low);
    }
    return value;
  }
  std::string text(int32_t length) {
    const auto bytes = take(static_cast<size_t>(length), "name");
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::vector<float> floats(int32_t count) {
    const auto bytes = take(sizeof(float) * static_cast<size_t>(count), "values");
    std::vector<float> values(static_cast<size_t>(count));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  std::string where() const { return file_.path().string(); }

 private:
  std::span<const std::byte> take(size_t size, const char* what) {
    if (size > rest_.size()) {
      fail(ErrorCode::kBadFile, "{}: ends inside {}: {} bytes expected, {} left", where(), what,
           size, rest_.size());
    }
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  MappedFile file_;
  std::span<const std::byte> rest_;
};

Entries read_dat(const std::filesystem::path& path) {
  DatReader reader(path);
  Entries entries;
  const int32_t count = reader.integer("number of entries", 1);
  for (int32_t i = 0; i < count; ++i) {
    const std::string name = reader.text(reader.integer("length of a name", 1));
    const std::string where = path.string() + ": " + printable(name);
    const auto calls = static_cast<float>(reader.integer("ncall", 0));
    // Values are mean squares times calls; how many experts they cover shows only beside a model.
    ImatrixEntry entry{.sums = reader.floats(reader.integer("number of values", 1)),
                       .counts = {calls}};
    check_values(entry.sums, where, "value");
    if (!entries.emplace(module_path(name), std::move(entry)).second) {
      fail(ErrorCode::kBadFile, "{}: appears twice", where);
    }
  }
  return entries;  // what follows names the data set, in newer files only
}

struct NameRule {
  std::string_view gguf, model;
};
constexpr std::array kLayerNames = {
    NameRule{"attn_q", "self_attn.q_proj"},
    NameRule{"attn_k", "self_attn.k_proj"},
    NameRule{"attn_v", "self_attn.v_proj"},
    NameRule{"attn_output", "self_attn.o_proj"},
    NameRule{"ffn_gate", "mlp.gate_proj"},
    NameRule{"ffn_up", "mlp.up_proj"},
    NameRule{"ffn_down", "mlp.down_proj"},
    NameRule{"ffn_gate_inp", "router.proj"},
    NameRule{"ffn_gate_up_exps", "experts.switch_glu.gate_proj"},
    NameRule{"ffn_gate_up_exps", "experts.switch_glu.up_proj"},
    NameRule{"ffn_gate_exps", "experts.switch_glu.gate_proj"},
    NameRule{"ffn_up_exps", "experts.switch_glu.up_proj"},
    NameRule{"ffn_down_exps", "experts.switch_glu.down_proj"},
    NameRule{"inp_gate", "per_layer_input_gate"},
    NameRule{"proj", "per_layer_projection"},
};

/// Output names of the tensors that a recorded product belongs to.
std::vector<std::string> targets_of(const std::string& entry, const Naming& naming) {
  const std::string prefix = naming.text_prefix();
  if (entry == "token_embd") return {prefix + "embed_tokens.weight"};
  if (entry == "per_layer_model_proj") return {prefix + "per_layer_model_projection.weight"};
  if (entry == "output") {
    return {naming.tied_head ? prefix + "embed_tokens.weight"
                             : *output_name("lm_head.weight", naming)};
  }
  if (!entry.starts_with("blk.")) return {};
  const std::string_view rest = std::string_view(entry).substr(4);
  const size_t dot = rest.find('.');
  if (dot == std::string_view::npos) return {};
  std::vector<std::string> targets;
  for (const NameRule& rule : kLayerNames) {
    if (rest.substr(dot + 1) != rule.gguf) continue;
    targets.push_back(
        fmt::format("{}layers.{}.{}.weight", prefix, rest.substr(0, dot), rule.model));
  }
  return targets;
}

/// Brings an entry of the older form, whose number of experts is unknown, to the model's.
void spread_over(ImatrixEntry& entry, size_t matrices) {
  if (entry.matrices() == 1 && matrices > 1) entry.counts.assign(matrices, entry.counts[0]);
}

void check_shape(const ImatrixEntry& entry, const InventoryTensor& tensor, size_t matrices,
                 const std::string& where) {
  const auto width = static_cast<size_t>(tensor.shape.back());
  if (entry.matrices() == matrices && entry.sums.size() == matrices * width) return;
  fail(ErrorCode::kBadFile,
       "{}: {} values for {} matrices, but {} has {} matrices of width {}: the file was made for "
       "another model",
       where, entry.sums.size(), entry.matrices(), tensor.name, matrices, width);
}

}  // namespace

Entries read_imatrix(const std::filesystem::path& path) {
  Entries entries = path.extension() == ".dat" ? read_dat(path) : read_gguf(path);
  if (entries.empty()) fail(ErrorCode::kBadFile, "{}: holds no statistics", path.string());
  return entries;
}

Importance::Importance(const std::filesystem::path& path,
                       const std::vector<InventoryTensor>& inventory, const Naming& naming)
    : entries_(read_imatrix(path)) {
  std::map<std::string_view, const InventoryTensor*> tensors;
  for (const InventoryTensor& tensor : inventory) tensors.emplace(tensor.name, &tensor);
  for (auto& [name, entry] : entries_) {
    bool used = false;
    for (const std::string& target : targets_of(name, naming)) {
      const auto found = tensors.find(target);
      if (found == tensors.end() || found->second->shape.size() < 2) continue;
      const InventoryTensor& tensor = *found->second;
      const auto matrices = tensor.shape.size() == 3 ? static_cast<size_t>(tensor.shape[0]) : 1;
      spread_over(entry, matrices);
      check_shape(entry, tensor, matrices, path.string() + ": " + printable(name));
      by_name_[target] = &entry;
      used = true;
    }
    if (!used) unmatched_.push_back(name);
  }
}

const ImatrixEntry* Importance::find(const std::string& output_name) const {
  const auto found = by_name_.find(output_name);
  return found == by_name_.end() ? nullptr : found->second;
}

}  // namespace octavo::convert
