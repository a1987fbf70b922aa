#include "convert/options.h"

#include <array>

#include "base/fail.h"
#include "convert/recipes/recipes.h"

namespace octavo::convert {
namespace {

struct MixedName {
  std::string_view name;
  int low, high;
};
constexpr std::array<MixedName, 4> kMixed = {
    {{"mixed_2_6", 2, 6}, {"mixed_3_4", 3, 4}, {"mixed_3_6", 3, 6}, {"mixed_4_6", 4, 6}}};

const MixedName* find_mixed(std::string_view name) {
  for (const MixedName& mixed : kMixed) {
    if (mixed.name == name) return &mixed;
  }
  return nullptr;
}

QuantMode mode_of(const ConvertOptions& options) {
  return options.mode.value_or(QuantMode::kAffine);
}

/// Unsloth's published family starts at 3 bits; nvfp4 has only 4.
QuantSpec top_spec(const ConvertOptions& options) {
  QuantSpec spec = default_spec(mode_of(options));
  if (options.recipe == "unsloth" && spec.mode == QuantMode::kAffine) spec.bits = 3;
  if (options.bits) spec.bits = *options.bits;
  if (options.group_size) spec.group_size = *options.group_size;
  return spec;
}

void need_quantize(const ConvertOptions& options) {
  const auto refuse = [](const char* flag) {
    fail(ErrorCode::kBadRequest, "{} has no effect without -q/--quantize", flag);
  };
  if (options.mxfp) refuse("--q-mxfp");
  if (!options.recipe.empty()) refuse("--q-recipe");
  if (options.bits) refuse("--q-bits");
  if (options.group_size) refuse("--q-group-size");
  if (options.mode) refuse("--q-mode");
  if (options.scale) refuse("--q-scale");
}

void check_recipe(const ConvertOptions& options) {
  const std::string& recipe = options.recipe;
  if (recipe == "qwen3_5" || recipe == "nvidia") {
    fail(ErrorCode::kUnsupported,
         "--q-recipe {} is not supported: it is made for other models; use unsloth, mixed_2_6, "
         "mixed_3_4, mixed_3_6 or mixed_4_6",
         recipe);
  }
  if (recipe != "unsloth" && !find_mixed(recipe)) {
    fail(ErrorCode::kBadRequest,
         "--q-recipe {}: unknown recipe; known are unsloth, mixed_2_6, mixed_3_4, mixed_3_6 and "
         "mixed_4_6",
         printable(recipe));
  }
  const QuantMode mode = mode_of(options);
  if (mode == QuantMode::kMxfp4 || mode == QuantMode::kMxfp8) {
    fail(ErrorCode::kBadRequest, "--q-recipe cannot be combined with --q-mode {}; use --q-mxfp",
         to_string(mode));
  }
  if (mode == QuantMode::kNvfp4 && recipe != "unsloth") {
    fail(ErrorCode::kBadRequest, "--q-mode nvfp4 goes with --q-recipe unsloth or none, not {}",
         recipe);
  }
  if (find_mixed(recipe) && options.bits) {
    fail(ErrorCode::kBadRequest,
         "--q-bits cannot be combined with --q-recipe {}, which fixes the bits", recipe);
  }
}

void check_quantization(const ConvertOptions& options) {
  if (options.mxfp && mode_of(options) != QuantMode::kAffine) {
    fail(ErrorCode::kBadRequest, "--q-mxfp goes with --q-mode affine only, not {}",
         to_string(mode_of(options)));
  }
  if (!options.recipe.empty()) check_recipe(options);
  const QuantSpec top = top_spec(options);
  validate(top);
  if (options.mxfp && options.recipe.empty() && top.bits != 4 && top.bits != 8) {
    fail(ErrorCode::kBadRequest, "--q-mxfp without a recipe needs --q-bits 4 or 8, not {}",
         top.bits);
  }
  if (options.scale && *options.scale == ScaleRule::kCompatCpu && options.dtype != Dtype::kBF16) {
    fail(ErrorCode::kBadRequest, "--q-scale compat-cpu needs --dtype bfloat16");
  }
}

/// Two bits destroyed every model of this family that was tried.
void advise_against_two_bits(const ConvertOptions& options) {
  const std::optional<Recipe> recipe = make_recipe(options, 0);
  for (const Rule& rule : recipe->rules) {
    if (rule.spec && rule.spec->bits == 2) {
      fail(ErrorCode::kBadRequest,
           "2 bits per weight are known to ruin this model ({}); give --force to go on anyway",
           rule.what);
    }
  }
}

void check_paths(const ConvertOptions& options, bool planning) {
  if (options.input.empty())
    fail(ErrorCode::kBadRequest, "--input is missing: the model to convert");
  if (options.input.extension() == ".gguf") {
    fail(ErrorCode::kUnsupported,
         "{}: GGUF models cannot be converted; give a folder with safetensors files",
         options.input.string());
  }
  if (!planning && options.output.empty()) {
    fail(ErrorCode::kBadRequest, "--output is missing: the folder to write");
  }
}

}  // namespace

void check_options(const ConvertOptions& options, bool planning) {
  check_paths(options, planning);
  if (options.dtype != Dtype::kBF16 && options.dtype != Dtype::kF16 &&
      options.dtype != Dtype::kF32) {
    fail(ErrorCode::kBadRequest, "--dtype must be bfloat16, float16 or float32");
  }
  if (!options.model_type.empty() && options.model_type != "gemma4" &&
      options.model_type != "gemma4_text") {
    fail(ErrorCode::kBadRequest, "--model-type {}: unknown; known are gemma4 and gemma4_text",
         printable(options.model_type));
  }
  if (options.threads < 0) fail(ErrorCode::kBadRequest, "--threads must not be negative");
  if (options.quantize) {
    check_quantization(options);
    if (!planning && !options.force) advise_against_two_bits(options);
  } else {
    need_quantize(options);
  }
  if (options.imatrix.empty() && options.awq == AwqMode::kOn) {
    fail(ErrorCode::kBadRequest, "--awq on needs --imatrix-path");
  }
  if (!options.imatrix.empty()) {
    const std::string ending = options.imatrix.extension().string();
    if (ending != ".gguf" && ending != ".gguf_file" && ending != ".dat") {
      fail(ErrorCode::kBadRequest,
           "--imatrix-path {}: expected a file ending in .gguf, .gguf_file or .dat",
           options.imatrix.string());
    }
  }
}

std::optional<Recipe> make_recipe(const ConvertOptions& options, int layers) {
  if (!options.quantize) return std::nullopt;
  const QuantSpec top = top_spec(options);
  const bool nvfp4 = top.mode == QuantMode::kNvfp4;
  Recipe recipe;
  if (options.recipe.empty()) {
    recipe = plain_recipe(top);
  } else if (options.recipe == "unsloth") {
    recipe = unsloth_recipe(top.bits, nvfp4 ? 64 : top.group_size);
    if (nvfp4) recipe = with_nvfp4(std::move(recipe));
  } else {
    const MixedName* mixed = find_mixed(options.recipe);
    recipe = mixed_recipe(mixed->low, mixed->high, top.group_size, layers);
  }
  return options.mxfp ? with_mxfp(std::move(recipe)) : recipe;
}

}  // namespace octavo::convert
