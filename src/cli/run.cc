// The `octavo` program: commands, global help, and every error as one line and an exit code.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string_view>

#include "base/fail.h"
#include "cli/cli.h"
#include "octavo/version.h"

namespace octavo::cli {
namespace {

constexpr int kError = 1, kUsage = 2, kInterrupted = 130;

constexpr const char* kExamples = R"(Examples:
  octavo convert -i gemma-4-26b-a4b-it -o gemma-mxfp8 -q --q-bits 8 --q-mxfp --q-recipe unsloth
  octavo inspect gemma-mxfp8
  octavo generate -m gemma-mxfp8 -p "What is the capital of France?"
  octavo chat -m gemma-mxfp8

`octavo COMMAND --help` explains each command.)";

void print_error(std::string_view message) {
  fmt::print(stderr, "octavo: error: {}\n", printable(message, 4000));
}

void add_commands(CLI::App& app) {
  add_convert(app);
  add_inspect(app);
  add_generate(app);
  add_chat(app);
  add_bench(app);
  add_logits(app);
  add_synth(app);
  add_completion(app);
}

/// What a command printed may still lie in a buffer: a full disk must not look like success.
void finish_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    fail(ErrorCode::kIo, "cannot write to standard output");
  }
}

/// Weights are read where they lie: pages that another process cut off, or that a failing disk does
/// not give, arrive as this signal. Nothing can go on then.
void on_lost_pages(int) {
  constexpr std::string_view kMessage =
      "octavo: error: a file was shortened while it was in use, or cannot be read\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kMessage.data(), kMessage.size());
  ::_exit(kError);
}

/// Help and version are no errors; everything else is wrong usage.
int report_parse(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  std::string command = "octavo";
  for (const CLI::App* sub : app.get_subcommands()) command += " " + sub->get_name();
  print_error(fmt::format("{} (see `{} --help`)", error.what(), command));
  return kUsage;
}

}  // namespace

int run(int argc, char** argv) {
  std::signal(SIGBUS, on_lost_pages);
  CLI::App app("Convert Gemma 4 models to eight bits and fewer, and run them on the CPU.",
               "octavo");
  app.set_version_flag("--version", std::string("octavo ") + kVersion, "Print the version");
  app.set_help_flag("-h,--help", "Print help");
  app.require_subcommand(1);
  app.footer(kExamples);
  app.get_formatter()->column_width(34);
  add_commands(app);
  try {
    if (argc < 2) {
      fmt::print("{}", app.help());
      return kUsage;
    }
    app.parse(argc, argv);
    finish_output();
    return 0;
  } catch (const CLI::ParseError& error) {
    return report_parse(app, error);
  } catch (const Error& error) {
    print_error(error.what());
    return error.code() == ErrorCode::kCancelled ? kInterrupted : kError;
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
  } catch (const std::exception& error) {
    print_error(error.what());
  }
  return kError;
}

}  // namespace octavo::cli
