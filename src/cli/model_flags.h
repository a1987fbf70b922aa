// cli: the options that every command which runs a model shares.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "octavo/octavo.h"

namespace octavo::cli {

struct ModelFlags {
  std::string folder;
  LoadOptions load;

  Model open() const;
};

void add_model_flags(CLI::App& command, ModelFlags& flags);

struct GenerationFlags {
  GenerationOptions options;
  std::vector<std::string> stop;
  std::vector<std::string> logit_bias;  // ID=VALUE
  std::string reasoning;

  /// What was given, as options of a request. Throws kBadRequest.
  GenerationOptions request() const;
};

void add_generation_flags(CLI::App& command, GenerationFlags& flags);

/// What is wrong with a seed, for CLI11: it would wrap a negative one round. Empty if nothing is.
std::string check_seed(const std::string& text);

}  // namespace octavo::cli
