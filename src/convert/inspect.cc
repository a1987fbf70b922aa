#include "convert/inspect.h"

#include <algorithm>
#include <map>

#include "base/checked.h"
#include "base/fail.h"
#include "base/thread_pool.h"
#include "checkpoint/quantised_layout.h"
#include "convert/deep_scan.h"
#include "convert/inventory.h"
#include "convert/recipe.h"

namespace octavo::convert {
namespace {

struct Module {
  std::string name;  // without ".weight"
  QuantSpec spec;
};

/// The class of a tensor under whatever naming the checkpoint has.
std::string class_of(const std::string& name, const Naming& naming) {
  if (is_fused_gate_up(name)) return "experts.gate_up_proj";
  return tensor_class(output_name(name, naming).value_or(name));
}

bool is_companion(const Checkpoint& checkpoint, std::string_view name) {
  for (std::string_view suffix : {".scales", ".biases"}) {
    if (!name.ends_with(suffix)) continue;
    const std::string module(name.substr(0, name.size() - suffix.size()));
    return checkpoint.find(module + ".weight") != nullptr;
  }
  return false;
}

uint64_t bytes_of(const Checkpoint& checkpoint, const std::string& module) {
  uint64_t bytes = 0;
  for (const char* suffix : {".weight", ".scales", ".biases"}) {
    if (const TensorView* tensor = checkpoint.find(module + suffix)) bytes += tensor->bytes.size();
  }
  return bytes;
}

class Inspector {
 public:
  Inspector(const Checkpoint& checkpoint, InspectReport& report)
      : checkpoint_(checkpoint), report_(report), naming_(naming_of(report.config)) {}

  void count_all() {
    for (const auto& [name, tensor] : checkpoint_.tensors()) {
      if (!is_companion(checkpoint_, name)) count(tensor);
    }
    const TextConfig& text = report_.config.text;
    report_.active_parameters = report_.text_parameters - unembedded_;
    if (text.moe && text.num_experts > 0) {
      const auto experts = static_cast<uint64_t>(text.num_experts);
      const auto chosen = static_cast<uint64_t>(text.top_k_experts);
      report_.active_parameters -= expert_parameters_ / experts * (experts - chosen);
    }
  }

  void scan(int threads) {
    std::vector<DeepScan> results(modules_.size());
    ThreadPool pool(threads);
    pool.parallel_items(modules_.size(), [&](size_t i, int) {
      results[i] = scan_module(checkpoint_, modules_[i].name, modules_[i].spec);
    });
    DeepScan total;
    for (size_t i = 0; i < results.size(); ++i) {
      const DeepScan& scan = results[i];
      if (scan.invalid_codes + scan.invalid_scales > 0) {
        report_.problems.push_back(fmt::format("{}: {} codes and {} scales that are not numbers",
                                               modules_[i].name, scan.invalid_codes,
                                               scan.invalid_scales));
      }
      total.invalid_codes += scan.invalid_codes;
      total.invalid_scales += scan.invalid_scales;
      total.mxfp8_groups += scan.mxfp8_groups;
      total.saturated_groups += scan.saturated_groups;
    }
    report_.deep = total;
  }

 private:
  void count(const TensorView& tensor) {
    const std::string module(module_path(tensor.name));
    const auto spec = quant_spec_of(checkpoint_, report_.config, module);
    const std::string type = class_of(tensor.name, naming_);
    uint64_t parameters = checked_product(tensor.shape, tensor.name);
    if (spec) {
      modules_.push_back({module, *spec});
      const uint64_t groups = checked_product(checkpoint_.get(module + ".scales").shape, module);
      parameters = checked_mul(groups, static_cast<uint64_t>(spec->group_size), module);
    }
    InspectLine& line =
        line_for(type, spec ? describe(spec) : std::string(to_string(tensor.dtype)));
    ++line.modules;
    line.parameters += parameters;
    line.bytes += spec ? bytes_of(checkpoint_, module) : tensor.bytes.size();
    const bool tower =
        type.starts_with("vision") || type.starts_with("audio") || type == "projector";
    (tower ? report_.tower_parameters : report_.text_parameters) += parameters;
    if (type.starts_with("experts.")) expert_parameters_ += parameters;
    // Looked up, not multiplied with: a row per token.
    if (type == "per-layer embeddings") unembedded_ += parameters;
  }

  InspectLine& line_for(const std::string& type, const std::string& format) {
    for (InspectLine& line : report_.lines) {
      if (line.tensor_class == type && line.format == format) return line;
    }
    report_.lines.push_back({.tensor_class = type, .format = format});
    return report_.lines.back();
  }

  const Checkpoint& checkpoint_;
  InspectReport& report_;
  Naming naming_;
  std::vector<Module> modules_;
  uint64_t expert_parameters_ = 0, unembedded_ = 0;
};

void check_coverage(const Checkpoint& checkpoint, InspectReport& report) {
  for (const std::string& name : check_quantised_layout(checkpoint, report.config)) {
    report.problems.push_back("quantization entry without a tensor: " + printable(name));
  }
  const Naming naming = naming_of(report.config);
  bool has_vision = false;
  std::map<std::string, bool> present;
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    for (Part part : {Part::kFirstHalf, Part::kSecondHalf}) {
      if (auto output = output_name(name, naming, part)) {
        has_vision = has_vision || output->starts_with("vision_tower.");
        present[*output] = true;
      }
    }
  }
  for (const InventoryTensor& implied : implied_inventory(report.config)) {
    if (is_tower_name(implied.name) && !has_vision) continue;
    if (!present.contains(implied.name)) {
      report.problems.push_back("missing tensor: " + implied.name);
    }
  }
  if (report.config.vision && !has_vision) {
    report.notes.push_back("config.json has a vision tower, the weights have none");
    report.config.vision.reset();
  }
}

}  // namespace

InspectReport inspect(const std::filesystem::path& folder, bool deep, int threads) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  InspectReport report;
  report.folder = folder;
  report.config = ModelConfig::parse(checkpoint.config(), (folder / "config.json").string());
  report.shards = checkpoint.shard_count();
  report.payload_bytes = checkpoint.payload_bytes();
  report.tensors = checkpoint.tensors().size();
  report.notes = checkpoint.notes();
  check_coverage(checkpoint, report);
  Inspector inspector(checkpoint, report);
  inspector.count_all();
  if (deep) inspector.scan(threads);
  return report;
}

}  // namespace octavo::convert
