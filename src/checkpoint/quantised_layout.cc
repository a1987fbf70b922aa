#include "checkpoint/quantised_layout.h"

#include <algorithm>

#include "base/fail.h"

namespace octavo {
namespace {

// The tensors of one module, and the words to name them with.
struct Module {
  const Checkpoint& checkpoint;
  std::string path;
  const TensorView* weight;
  const TensorView* scales;
  const TensorView* biases;

  Module(const Checkpoint& from, std::string_view module)
      : checkpoint(from),
        path(module),
        weight(from.find(path + ".weight")),
        scales(from.find(path + ".scales")),
        biases(from.find(path + ".biases")) {}

  std::string where(const char* suffix) const {
    return fmt::format("{}: tensor '{}{}'", checkpoint.folder().string(), printable(path), suffix);
  }
};

bool is_byte_scale(Dtype dtype) {
  return dtype == Dtype::kU8 || dtype == Dtype::kF8E8M0 || dtype == Dtype::kF8E4M3;
}

bool is_float(Dtype dtype) {
  return dtype == Dtype::kBF16 || dtype == Dtype::kF16 || dtype == Dtype::kF32;
}

std::string describe(const QuantSpec& spec) {
  return fmt::format("{} with {} bits in groups of {}", to_string(spec.mode), spec.bits,
                     spec.group_size);
}

void refuse_global_scales(const Module& module) {
  for (const char* suffix : {".global_scale", ".weight_global_scale", ".input_global_scale"}) {
    if (module.checkpoint.find(module.path + suffix) != nullptr) {
      fail(ErrorCode::kUnsupported, "{}: global scales are not supported", module.where(suffix));
    }
  }
}

void check_unquantised(const Module& module, const std::optional<QuantSpec>* override_) {
  if (module.biases != nullptr) {
    fail(ErrorCode::kBadFile, "{} has no scales beside it", module.where(".biases"));
  }
  if (module.weight == nullptr) return;
  const bool named = override_ != nullptr && override_->has_value();
  if (named || module.weight->dtype == Dtype::kU32) {
    fail(ErrorCode::kBadFile, "{} is missing, though {}", module.where(".scales"),
         named ? "the configuration says that the module is quantised" : "the weight is packed");
  }
}

// Ranks, leading dimensions and the packed dtype: what every mode shares.
void check_frame(const Module& module) {
  const TensorView& weight = *module.weight;
  const TensorView& scales = *module.scales;
  if (weight.dtype != Dtype::kU32) {
    fail(ErrorCode::kBadFile, "{} is {}, expected U32 as it has scales", module.where(".weight"),
         to_string(weight.dtype));
  }
  const size_t rank = weight.shape.size();
  if (rank < 2) {
    fail(ErrorCode::kBadFile, "{} has shape {}, expected two or more dimensions",
         module.where(".weight"), to_string(weight.shape));
  }
  if (scales.shape.size() != rank ||
      !std::equal(weight.shape.begin(), weight.shape.end() - 1, scales.shape.begin())) {
    fail(ErrorCode::kBadFile, "{} has shape {}, which does not fit the weight's {}",
         module.where(".scales"), to_string(scales.shape), to_string(weight.shape));
  }
  if (weight.bytes.empty() || scales.bytes.empty()) {
    fail(ErrorCode::kBadFile, "{} is empty", module.where(".weight"));
  }
}

// Whether the widths alone allow `spec`.
bool widths_fit(const Module& module, const QuantSpec& spec, int64_t in_features) {
  const int64_t bits = module.weight->shape.back() * 32;
  const int64_t in = bits / spec.bits;
  return bits % spec.bits == 0 && in % spec.group_size == 0 &&
         module.scales->shape.back() == in / spec.group_size &&
         (in_features == 0 || in == in_features);
}

bool scales_fit(const Module& module, const QuantSpec& spec) {
  switch (spec.mode) {
    case QuantMode::kAffine:
      return is_float(module.scales->dtype);
    case QuantMode::kMxfp4:
    case QuantMode::kMxfp8:
      return module.scales->dtype == Dtype::kU8 || module.scales->dtype == Dtype::kF8E8M0;
    case QuantMode::kNvfp4:
      return module.scales->dtype == Dtype::kU8 || module.scales->dtype == Dtype::kF8E4M3;
  }
  return false;
}

std::vector<QuantSpec> candidates(bool byte_scales) {
  if (byte_scales) {
    return {default_spec(QuantMode::kNvfp4), default_spec(QuantMode::kMxfp4),
            default_spec(QuantMode::kMxfp8)};
  }
  std::vector<QuantSpec> specs;
  for (int bits : {2, 3, 4, 5, 6, 8}) {
    for (int group : {32, 64, 128}) specs.push_back({QuantMode::kAffine, bits, group});
  }
  return specs;
}

// Widths give bits * group_size only. For the float modes that product is unique; affine triples
// can share one (8 x 32 = 4 x 64), so without `in_features` the answer may stay open.
QuantSpec infer(const Module& module, const QuantSpec& top, int64_t in_features) {
  if (widths_fit(module, top, in_features) && scales_fit(module, top)) return top;
  std::vector<QuantSpec> fitting;
  for (const QuantSpec& spec : candidates(is_byte_scale(module.scales->dtype))) {
    if (widths_fit(module, spec, in_features) && scales_fit(module, spec)) fitting.push_back(spec);
  }
  if (fitting.size() == 1) return fitting.front();
  fail(ErrorCode::kBadFile,
       "{} has {} {} beside a weight of {}: {}; expected an override in the configuration",
       module.where(".scales"), to_string(module.scales->dtype), to_string(module.scales->shape),
       to_string(module.weight->shape),
       fitting.empty() ? "no format has such widths" : "several formats have such widths");
}

QuantSpec decide(const Module& module, const ModelConfig& config,
                 const std::optional<QuantSpec>* override_, int64_t in_features) {
  if (!config.quantization) {
    fail(ErrorCode::kBadFile, "{} exists, but config.json has no quantization block",
         module.where(".scales"));
  }
  if (override_ == nullptr) return infer(module, config.quantization->top, in_features);
  if (!override_->has_value()) {
    fail(ErrorCode::kBadFile, "{} exists, but the configuration says the module is not quantised",
         module.where(".scales"));
  }
  return **override_;
}

void check_widths(const Module& module, const QuantSpec& spec, int64_t in_features) {
  if (!widths_fit(module, spec, in_features)) {
    const std::string inputs = in_features == 0 ? "" : fmt::format(" of {} inputs", in_features);
    fail(ErrorCode::kBadFile, "{} has shape {}, which with a weight of {} is not {}{}",
         module.where(".scales"), to_string(module.scales->shape), to_string(module.weight->shape),
         describe(spec), inputs);
  }
  if (!scales_fit(module, spec)) {
    fail(ErrorCode::kBadFile, "{} is {}, expected {} for {}", module.where(".scales"),
         to_string(module.scales->dtype),
         spec.mode == QuantMode::kAffine ? "BF16, F16 or F32" : "U8", describe(spec));
  }
}

void check_biases(const Module& module, const QuantSpec& spec) {
  if (!spec.has_biases()) {
    if (module.biases != nullptr) {
      fail(ErrorCode::kBadFile, "{} exists, but {} has none", module.where(".biases"),
           describe(spec));
    }
    return;
  }
  if (module.biases == nullptr) {
    fail(ErrorCode::kBadFile, "{} is missing; {} needs it", module.where(".biases"),
         describe(spec));
  }
  if (module.biases->dtype != module.scales->dtype ||
      module.biases->shape != module.scales->shape) {
    fail(ErrorCode::kBadFile, "{} is {} {}, expected {} {} like the scales",
         module.where(".biases"), to_string(module.biases->dtype), to_string(module.biases->shape),
         to_string(module.scales->dtype), to_string(module.scales->shape));
  }
}

}  // namespace

std::optional<QuantSpec> quant_spec_of(const Checkpoint& checkpoint, const ModelConfig& config,
                                       std::string_view path, int64_t in_features) {
  const Module module(checkpoint, path);
  const auto* override_ = config.quantization ? config.quantization->find(path) : nullptr;
  refuse_global_scales(module);
  if (module.scales == nullptr) {
    check_unquantised(module, override_);
    return std::nullopt;
  }
  if (module.weight == nullptr) {
    fail(ErrorCode::kBadFile, "{} is missing, though there are scales", module.where(".weight"));
  }
  check_frame(module);
  const QuantSpec spec = decide(module, config, override_, in_features);
  check_widths(module, spec, in_features);
  check_biases(module, spec);
  return spec;
}

std::vector<std::string> check_quantised_layout(const Checkpoint& checkpoint,
                                                const ModelConfig& config) {
  constexpr std::string_view kWeight = ".weight", kScales = ".scales", kBiases = ".biases";
  QuantizationConfig seen;  // its keys are the modules; find() knows the prefixes
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    for (std::string_view suffix : {kWeight, kScales, kBiases}) {
      if (!name.ends_with(suffix)) continue;
      const std::string module = name.substr(0, name.size() - suffix.size());
      if (!seen.overrides.try_emplace(module, std::nullopt).second) continue;
      seen.overrides[module] = quant_spec_of(checkpoint, config, module);
    }
  }
  std::vector<std::string> unused;
  if (!config.quantization) return unused;
  for (const auto& [module, spec] : config.quantization->overrides) {
    if (spec && seen.find(module) == nullptr) unused.push_back(module);
  }
  return unused;
}

}  // namespace octavo
