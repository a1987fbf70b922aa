#include "converted_demo.h"

#include "../temp_folder.h"
#include "convert/converter.h"

namespace octavo {
namespace {

convert::ConvertOptions options_of(const std::string& layout) {
  convert::ConvertOptions options;
  options.quantize = true;
  if (layout == "card") {
    options.bits = 8;
    options.mxfp = true;
    options.recipe = "unsloth";
  } else if (layout == "nvfp4") {
    options.mode = QuantMode::kNvfp4;
  } else {
    options.recipe = layout;
  }
  options.threads = 1;
  options.quiet = true;
  return options;
}

}  // namespace

std::filesystem::path converted_demo(const std::string& layout) {
  static const TempFolder folder;
  const std::filesystem::path output = folder / layout;
  if (!std::filesystem::exists(output)) {
    convert::ConvertOptions options = options_of(layout);
    options.input = std::filesystem::path(OCTAVO_SOURCE_DIR) / "models/capitals";
    options.output = output;
    convert::convert(options);
  }
  return output;
}

}  // namespace octavo
