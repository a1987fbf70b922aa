// `octavo chat`: a conversation at the terminal, or with lines from a pipe.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "base/fail.h"
#include "cli/answer_printer.h"
#include "cli/cli.h"
#include "cli/line_reader.h"
#include "cli/media_flags.h"
#include "cli/model_flags.h"

namespace octavo::cli {
namespace {

constexpr const char* kHelp =
    "/help           this list\n"
    "/reset          forget the conversation and what is attached\n"
    "/system TEXT    the same with a new system prompt (none if empty)\n"
    "/think on|off   whether the model thinks before it answers\n"
    "/image FILE     attach a picture to the next message (without FILE: drop what is attached)\n"
    "/video PATH     attach a folder of frames or an animated GIF or WebP\n"
    "/stats          figures of the last answer\n"
    "/save FILE      write the conversation as JSON\n"
    "/quit           leave (also Ctrl-D)\n"
    "Ctrl-C stops an answer.\n";

std::atomic<ChatSession*> answering = nullptr;

void stop_answer(int) {
  if (ChatSession* session = answering.load()) session->cancel();
}

/// While it lives, Ctrl-C reaches the session's answer and nothing else.
class InterruptGuard {
 public:
  InterruptGuard() {
    struct sigaction action = {};
    action.sa_handler = stop_answer;  // without SA_RESTART: a line being typed is dropped
    sigaction(SIGINT, &action, &before_);
  }
  ~InterruptGuard() { sigaction(SIGINT, &before_, nullptr); }
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  struct sigaction before_ = {};
};

/// A path as typed at a prompt where no shell expands it: "~/" is the home folder, quotes around
/// it and spaces at its ends are dropped.
std::string path_of(std::string text) {
  constexpr const char* kSpaces = " \t";
  text.erase(0, text.find_first_not_of(kSpaces));
  text.erase(text.find_last_not_of(kSpaces) + 1);
  if (text.size() > 1 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front()) {
    return text.substr(1, text.size() - 2);
  }
  const char* home = std::getenv("HOME");
  return text.starts_with("~/") && home != nullptr ? home + text.substr(1) : text;
}

class Chat {
 public:
  Chat(Model model, const std::string& folder, std::string system, GenerationOptions options)
      : model_(std::move(model)),
        options_(std::move(options)),
        session_(model_, {.system = std::move(system)}),
        attachments_(model_, folder) {}

  void attach(const MediaFlags& media) {
    frames_per_second_ = media.frames_per_second;
    for (const std::string& path : media.images) attach_image(path);
    for (const std::string& path : media.videos) attach_video(path);
  }

  void run() {
    std::optional<InterruptGuard> guard;
    if (stdin_is_terminal()) guard.emplace();
    LineReader reader;
    while (const auto line = reader.read("> ")) {
      try {
        if (!take(*line)) return;
      } catch (const Error& error) {
        if (error.code() == ErrorCode::kIo) throw;
        report(error);
      }
    }
  }

 private:
  /// False to leave.
  bool take(const std::string& line) {
    if (line.find_first_not_of(" \t") == std::string::npos) return true;
    if (!line.starts_with('/')) {
      answer(line);
      return true;
    }
    const size_t space = line.find(' ');
    const std::string name = line.substr(0, space);
    const std::string argument = space == std::string::npos ? "" : line.substr(space + 1);
    return obey(name, argument);
  }

  bool obey(const std::string& name, const std::string& argument) {
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/help") {
      say(kHelp);
    } else if (name == "/reset") {
      session_.reset();
      attachments_.clear();
      say("The conversation is forgotten.\n");
    } else if (name == "/system") {
      session_ = ChatSession(model_, {.system = argument});
      attachments_.clear();
      say(argument.empty() ? "No system prompt.\n" : "System prompt set.\n");
    } else if (name == "/think" && (argument == "on" || argument == "off")) {
      options_.reasoning_effort =
          argument == "on" ? ReasoningEffort::kHigh : ReasoningEffort::kNone;
      say("Thinking is " + argument + ".\n");
    } else if (name == "/image" && argument.empty()) {
      attachments_.clear();
      say("Nothing is attached.\n");
    } else if (name == "/image") {
      report_errors([&] { attach_image(path_of(argument)); });
    } else if (name == "/video" && argument.empty()) {
      fail(ErrorCode::kBadRequest, "/video: expected a folder of frames, animated GIF or WebP");
    } else if (name == "/video") {
      report_errors([&] { attach_video(path_of(argument)); });
    } else if (name == "/audio") {
      fail(ErrorCode::kUnsupported, "/audio: sound cannot be heard yet, only seen: /image, /video");
    } else if (name == "/stats") {
      say(stats());
    } else if (name == "/save" && !argument.empty()) {
      save(argument);
    } else {
      say("Not a command: " + printable(name + " " + argument) + ". /help lists them.\n");
    }
    return true;
  }

  void attach_image(const std::string& path) {
    const ImageInput& image = attachments_.add_image(path);
    say(fmt::format("Attached {}: {} x {} pixels, {} tokens.\n", printable(path), image.width(),
                    image.height(), model_.image_tokens(image, options_)));
  }

  void attach_video(const std::string& path) {
    const VideoInput& video = attachments_.add_video(path, frames_per_second_);
    say(fmt::format("Attached {}: {} frames, {} tokens.\n", printable(path), video.frames().size(),
                    model_.video_tokens(video, options_)));
  }

  /// What is attached stays so until a turn with it has succeeded.
  void answer(const std::string& text) {
    stream([&](const EventCallback& callback) {
      return session_.send_stream(attachments_.with_text(text), options_, callback);
    });
    if (last_.finish_reason != FinishReason::kCancelled) attachments_.clear();
    refuse_tool_calls();
    if (last_.finish_reason == FinishReason::kCancelled) say("(stopped; this turn is forgotten)\n");
    if (last_.finish_reason == FinishReason::kLength) say("(cut off at the token limit)\n");
    if (last_.finish_reason == FinishReason::kRepetition) say("(stopped: it repeated itself)\n");
    if (last_.finish_reason == FinishReason::kError)
      say("(it made tool calls that do not parse)\n");
  }

  /// A model may call tools although none were offered. It is told so, and goes on without; one
  /// that insists loses its turn.
  void refuse_tool_calls() {
    constexpr int kRounds = 3;
    for (int round = 0; round < kRounds; ++round) {
      const std::vector<ToolCall> calls = session_.pending_tool_calls();
      if (calls.empty()) return;
      for (const ToolCall& call : calls) {
        say("(it called " + printable(call.name) + ", but there are no tools here)\n");
        stream([&](const EventCallback& callback) {
          return session_.send_tool_result_stream(call.id, "There are no tools in this chat.",
                                                  /*is_error=*/true, options_, callback);
        });
        if (last_.finish_reason == FinishReason::kCancelled) break;
      }
    }
    if (session_.pending_tool_calls().empty()) return;
    say("(it keeps calling tools; the conversation starts again)\n");
    session_.reset();
  }

  template <class Send>
  void stream(const Send& send) {
    AnswerPrinter printer;
    answering = &session_;
    try {
      last_ = send([&](const Event& event) {
        printer.print(event);
        return true;
      });
    } catch (...) {
      answering = nullptr;
      printer.finish();
      throw;
    }
    answering = nullptr;
    printer.finish();
  }

  std::string stats() const {
    if (last_.num_tokens == 0) return "No answer yet.\n";
    const Performance& speed = last_.performance;
    return fmt::format(
        "{} prompt tokens ({} cached, {} of pictures), {} generated ({} of thinking), first after "
        "{:.0f} ms, "
        "{:.1f} tok/s prefill, {:.1f} tok/s decode, seed {}\n",
        last_.prompt_tokens, last_.cached_tokens, last_.image_tokens, last_.num_tokens,
        last_.reasoning_tokens, speed.ttft_ms, speed.prefill_tok_s, speed.decode_tok_s, last_.seed);
  }

  void save(const std::string& path) {
    std::ofstream file(path, std::ios::binary);
    file << session_.history() << '\n';
    file.close();
    say(file ? "Saved.\n" : "Cannot write " + printable(path) + ".\n");
  }

  /// A file that cannot be read is no reason to leave, as an output that cannot be written is.
  template <class Action>
  static void report_errors(const Action& action) {
    try {
      action();
    } catch (const Error& error) {
      report(error);
    }
  }

  static void report(const Error& error) {
    fmt::print(stderr, "octavo: error: {}\n", printable(error.what(), 4000));
  }

  /// Remarks of the program are no part of the answers.
  static void say(const std::string& text) { fmt::print(stderr, "{}", text); }

  Model model_;
  GenerationOptions options_;
  ChatSession session_;
  Attachments attachments_;
  double frames_per_second_ = 24;
  Result last_;
};

struct ChatFlags {
  ModelFlags model;
  GenerationFlags generation;
  MediaFlags media;
  std::string system;
};

void run_chat(const ChatFlags& flags) {
  Chat chat(flags.model.open(), flags.model.folder, flags.system, flags.generation.request());
  chat.attach(flags.media);
  if (stdin_is_terminal()) fmt::print(stderr, "Type a message, or /help.\n");
  chat.run();
}

}  // namespace

void add_chat(CLI::App& app) {
  auto flags = std::make_shared<ChatFlags>();
  CLI::App* command = app.add_subcommand("chat", "Talk to a model");
  add_model_flags(*command, flags->model);
  command->add_option("--system", flags->system, "System prompt");
  add_media_flags(*command, flags->media);
  add_generation_flags(*command, flags->generation);
  command->footer(
      "Commands while chatting: /help /reset /system /think /image /video /stats /save /quit\n"
      "Ctrl-C stops an answer, Ctrl-D leaves.\n\n"
      "Examples:\n"
      "  octavo chat -m models/capitals\n"
      "  octavo chat -m models/capitals --system \"Give concise answers.\" --reasoning high\n"
      "  octavo chat -m gemma-mxfp8 --image menu.jpg --image-tokens 1120\n"
      "  printf 'Capital of France?\\nAnd Japan?\\n' | octavo chat -m models/capitals --temp 0");
  command->callback([flags] { run_chat(*flags); });
}

}  // namespace octavo::cli
