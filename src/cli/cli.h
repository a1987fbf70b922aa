// cli: the `octavo` program: one file per command, all errors turned into one line and an exit
// code.
#pragma once

#include <CLI/CLI.hpp>

namespace octavo::cli {

/// Runs the program. Returns 0, 1 for an error, 2 for wrong usage, 130 after an interrupt.
int run(int argc, char** argv);

// Each adds one command to `app`; its callback does the work and throws octavo::Error.
void add_convert(CLI::App& app);
void add_inspect(CLI::App& app);
void add_logits(CLI::App& app);
void add_generate(CLI::App& app);
void add_chat(CLI::App& app);
void add_bench(CLI::App& app);
void add_synth(CLI::App& app);
void add_completion(CLI::App& app);

}  // namespace octavo::cli
