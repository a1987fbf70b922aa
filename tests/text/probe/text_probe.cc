// The text module on standard input and output, for the parity tests in Python.
//
//   text_probe tokenizer FOLDER   reads frames "SIZE\n" + SIZE bytes of text; writes one line of
//   ids
//                                 and one frame with the ids decoded again for each
//   text_probe template FOLDER    reads lines of JSON {"messages", "tools", "enable_thinking",
//                                 "add_generation_prompt", "extra"}; writes lines of JSON
//                                 {"text"} or {"error"}. An empty FOLDER means the built-in
//                                 template.
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include "octavo/error.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace {

using Json = nlohmann::ordered_json;

bool read_frame(std::string& text) {
  size_t size = 0;
  if (!(std::cin >> size)) return false;
  std::cin.get();
  text.resize(size);
  std::cin.read(text.data(), static_cast<std::streamsize>(size));
  return static_cast<size_t>(std::cin.gcount()) == size;
}

void probe_tokenizer(const std::string& folder) {
  const auto tokenizer = octavo::Tokenizer::load(folder);
  for (std::string text; read_frame(text);) {
    const auto ids = tokenizer->encode(text);
    std::string line;
    for (const int32_t id : ids) line += std::to_string(id) + ' ';
    const std::string decoded = tokenizer->decode(ids);
    std::cout << line << '\n' << decoded.size() << '\n' << decoded;
  }
}

Json rendered(const octavo::ChatTemplate& chat, Json input) {
  octavo::ChatRequest request;
  request.messages = std::move(input["messages"]);
  request.tools = std::move(input["tools"]);
  request.enable_thinking = input["enable_thinking"].get<bool>();
  request.add_generation_prompt = input["add_generation_prompt"].get<bool>();
  request.extra = std::move(input["extra"]);
  try {
    return {{"text", chat.render(request)}};
  } catch (const octavo::Error& error) {
    return {{"error", error.what()}};
  }
}

void probe_template(const std::string& folder) {
  const auto chat = octavo::ChatTemplate::load(folder.empty() ? "/nonexistent" : folder);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << rendered(*chat, Json::parse(line)).dump() << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string mode = argc == 3 ? argv[1] : "";
  if (mode == "tokenizer") {
    probe_tokenizer(argv[2]);
  } else if (mode == "template") {
    probe_template(argv[2]);
  } else {
    std::fputs("usage: text_probe tokenizer|template FOLDER\n", stderr);
    return 2;
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "text_probe: %s\n", error.what());
  return 1;
}
