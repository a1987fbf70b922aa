// `octavo inspect`: what is in a checkpoint, and whether it is sound.
#include "convert/inspect.h"

#include <fmt/format.h>

#include <memory>

#include "base/fail.h"
#include "cli/cli.h"

namespace octavo::cli {
namespace {

struct InspectFlags {
  std::string folder;
  bool json = false, deep = false;
  int threads = 0;
};

void run_inspect(const InspectFlags& flags) {
  const convert::InspectReport report = convert::inspect(flags.folder, flags.deep, flags.threads);
  if (flags.json) {
    fmt::print("{}\n", inspect_json(report).dump(2));
  } else {
    fmt::print("{}", inspect_text(report));
  }
  if (!report.problems.empty()) {
    fail(ErrorCode::kBadFile, "{}: {} problems, first: {}", flags.folder, report.problems.size(),
         report.problems.front());
  }
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* command = app.add_subcommand(
      "inspect", "Show what is in a checkpoint: formats, bytes, parameters, checks");
  command->add_option("folder,-m,--model", flags->folder, "Checkpoint folder")->required();
  command->add_flag("--json", flags->json, "As JSON");
  command->add_flag("--deep", flags->deep, "Read all codes: invalid ones, and which scale rule");
  command->add_option("--threads", flags->threads, "Threads of --deep (default: all cores)")
      ->check(CLI::Range(0, 1024));
  command->footer(R"(Examples:
  octavo inspect models/capitals
  octavo inspect gemma-4-26b-a4b-it-mxfp8 --deep
  octavo inspect gemma-4-26b-a4b-it-mxfp8 --json)");
  command->callback([flags] { run_inspect(*flags); });
}

}  // namespace octavo::cli
