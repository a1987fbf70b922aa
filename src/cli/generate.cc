// `octavo generate`: one prompt, one answer on standard output.
#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

#include "base/fail.h"
#include "cli/answer_printer.h"
#include "cli/cli.h"
#include "cli/media_flags.h"
#include "cli/model_flags.h"
#include "cli/result_json.h"

namespace octavo::cli {
namespace {

struct GenerateFlags {
  ModelFlags model;
  GenerationFlags generation;
  MediaFlags media;
  std::string prompt, system, tools_file;
  bool raw = false, json = false;
  std::optional<bool> stream;
};

std::string read_all(std::istream& stream, const std::string& name) {
  std::string text;
  char buffer[1 << 14];
  while (stream.read(buffer, sizeof buffer) || stream.gcount() > 0) {
    text.append(buffer, static_cast<size_t>(stream.gcount()));
  }
  if (stream.bad()) fail(ErrorCode::kIo, "{}: cannot read", name);
  return text;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorCode::kIo, "{}: cannot open", printable(path));
  return read_all(file, printable(path));
}

std::string prompt_of(const GenerateFlags& flags) {
  if (flags.prompt != "-") return flags.prompt;
  std::string text = read_all(std::cin, "standard input");
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

Result answer(const GenerateFlags& flags, const Model& model, const EventCallback& callback) {
  GenerationOptions options = flags.generation.request();
  if (!flags.tools_file.empty()) options.tools = read_file(flags.tools_file);
  const std::string prompt = prompt_of(flags);
  if (flags.raw) return model.complete(prompt, options, callback);
  Attachments attachments(model, flags.model.folder);
  attachments.add(flags.media);
  return ChatSession(model, {.system = flags.system})
      .send_stream(attachments.with_text(prompt), options, callback);
}

void print_tool_calls(const Result& result) {
  for (const ToolCall& call : result.tool_calls) {
    const std::string text = call.status == ToolCall::Status::kOk
                                 ? call.name + " " + call.arguments
                                 : call.raw + " (" + call.error + ")";
    fmt::print("{}\n", stdout_is_terminal() ? without_control_characters(text) : text);
  }
}

void run_generate(const GenerateFlags& flags) {
  const auto start = std::chrono::steady_clock::now();
  const Model model = flags.model.open();
  const std::chrono::duration<double, std::milli> load = std::chrono::steady_clock::now() - start;
  if (flags.json) {
    nlohmann::ordered_json json = to_json(answer(flags, model, {}), model);
    json["timings"]["load_ms"] = load.count();
    print_json(json);
    return;
  }
  AnswerPrinter printer;
  const bool stream = flags.stream.value_or(stdout_is_terminal());
  const Result result = answer(flags, model, [&](const Event& event) {
    if (stream) printer.print(event);
    return true;
  });
  if (!stream) printer.print({.text = result.text});
  printer.finish();
  print_tool_calls(result);
}

}  // namespace

void add_generate(CLI::App& app) {
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App* command = app.add_subcommand("generate", "Answer one prompt");
  add_model_flags(*command, flags->model);
  command->add_option("-p,--prompt", flags->prompt, "The prompt; -: read standard input")
      ->required();
  auto* system = command->add_option("--system", flags->system, "System prompt");
  auto* tools = command->add_option("--tools", flags->tools_file,
                                    "JSON file with an array of function declarations");
  auto* raw = command->add_flag("--raw", flags->raw,
                                "Continue the prompt as it is, without the chat template");
  raw->excludes(system)->excludes(tools);
  const auto media = add_media_flags(*command, flags->media);
  for (auto* option : media) raw->excludes(option);
  auto* json = command->add_flag("--json", flags->json, "Print one JSON object");
  command
      ->add_flag("--stream,!--no-stream", flags->stream,
                 "Print while generating (default: on a terminal)")
      ->excludes(json);
  command
      ->add_option("--logprobs", flags->generation.options.logprobs,
                   "Log-probabilities with this many alternatives per token")
      ->needs(json);
  add_generation_flags(*command, flags->generation);
  command->footer(
      "Examples:\n"
      "  octavo generate -m models/capitals -p \"What is the capital of France?\"\n"
      "  octavo generate -m models/capitals -p \"And Japan?\" --temp 0 --json\n"
      "  octavo generate -m gemma-mxfp8 --image cat.jpg -p \"What is this?\" --image-tokens 560\n"
      "  octavo generate -m gemma-mxfp8 --video clip.gif -p \"What happens here?\"\n"
      "  echo \"Name the capital of Kenya.\" | octavo generate -m models/capitals -p - --seed 7");
  command->callback([flags] { run_generate(*flags); });
}

}  // namespace octavo::cli
