// The demonstration model quantised as users do, for tests of sequences in the default mode.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "model/language_model.h"

namespace octavo {

/// Layouts of quantised checkpoints: "card" is mostly MXFP8, "mixed_4_6" affine, "nvfp4" neither.
inline const std::string kLayouts[] = {"card", "mixed_4_6", "nvfp4"};

/// Converted on first use; the folder is removed when the program ends.
std::filesystem::path converted_demo(const std::string& layout);

}  // namespace octavo
