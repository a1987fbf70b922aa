// `octavo completion`: shell completion scripts, made from the commands as they are.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/cli.h"

namespace octavo::cli {
namespace {

struct Flag {
  std::vector<std::string> names;  // "-m", "--model"
  std::string help;
  bool takes_value;
};

struct Command {
  std::string name, help;
  std::vector<Flag> flags;
};

std::vector<Flag> flags_of(const CLI::App& app) {
  std::vector<Flag> flags;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;  // hidden
    Flag flag{{}, option->get_description(), option->get_expected_max() > 0};
    for (const std::string& name : option->get_snames()) flag.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) flag.names.push_back("--" + name);
    if (!flag.names.empty()) flags.push_back(std::move(flag));
  }
  return flags;
}

std::vector<Command> commands_of(const CLI::App& app) {
  std::vector<Command> commands;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    commands.push_back({command->get_name(), command->get_description(), flags_of(*command)});
  }
  return commands;
}

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

std::string all_flags(const Command& command) {
  std::vector<std::string> names;
  for (const Flag& flag : command.flags) {
    names.insert(names.end(), flag.names.begin(), flag.names.end());
  }
  return joined(names);
}

std::string command_names(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const Command& command : commands) names.push_back(command.name);
  return joined(names);
}

/// Inside single quotes of sh, zsh and fish alike.
std::string quoted(const std::string& text) {
  std::string safe;
  for (char c : text) safe += c == '\'' ? std::string("’") : std::string(1, c);
  return "'" + safe + "'";
}

std::string bash_script(const std::vector<Command>& commands) {
  std::string cases;
  for (const Command& command : commands) {
    cases += fmt::format("    {}) words={} ;;\n", command.name, quoted(all_flags(command)));
  }
  return fmt::format(
      "_octavo() {{\n"
      "  local words current=\"${{COMP_WORDS[COMP_CWORD]}}\"\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W {} -- \"$current\"))\n"
      "    return\n"
      "  fi\n"
      "  case \"${{COMP_WORDS[1]}}\" in\n{}  esac\n"
      "  if [[ \"$current\" == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  else\n"
      "    COMPREPLY=($(compgen -f -- \"$current\"))\n"
      "  fi\n"
      "}}\n"
      "complete -o filenames -F _octavo octavo\n",
      quoted(command_names(commands)), cases);
}

/// "name:help" as zsh's _describe wants it; no name holds a colon.
std::string zsh_entry(const std::string& name, const std::string& help) {
  return quoted(name + ":" + help);
}

std::string zsh_script(const std::vector<Command>& commands) {
  std::string names, cases;
  for (const Command& command : commands) {
    names += " " + zsh_entry(command.name, command.help);
    cases += fmt::format("    {}) flags=(", command.name);
    for (const Flag& flag : command.flags) {
      for (const std::string& name : flag.names) cases += " " + zsh_entry(name, flag.help);
    }
    cases += " ) ;;\n";
  }
  return fmt::format(
      "#compdef octavo\n"
      "_octavo() {{\n"
      "  local -a commands flags\n"
      "  commands=({} )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  case \"${{words[2]}}\" in\n{}  esac\n"
      "  if [[ \"${{words[CURRENT]}}\" == -* ]]; then\n"
      "    _describe option flags\n"
      "  else\n"
      "    _files\n"
      "  fi\n"
      "}}\n"
      // Sourced, or loaded by zsh as the function's own body.
      "if [ \"$funcstack[1]\" = _octavo ]; then _octavo \"$@\"; else compdef _octavo octavo; fi\n",
      names, cases);
}

std::string fish_script(const std::vector<Command>& commands) {
  std::string script;
  for (const Command& command : commands) {
    script += fmt::format("complete -c octavo -f -n __fish_use_subcommand -a {} -d {}\n",
                          command.name, quoted(command.help));
    for (const Flag& flag : command.flags) {
      script += fmt::format("complete -c octavo -n '__fish_seen_subcommand_from {}'", command.name);
      for (const std::string& name : flag.names) {
        script += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      script += fmt::format("{} -d {}\n", flag.takes_value ? " -r" : "", quoted(flag.help));
    }
  }
  return script;
}

}  // namespace

void add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "Print a shell completion script");
  command->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "Examples:\n"
      "  octavo completion bash > ~/.local/share/bash-completion/completions/octavo\n"
      "  octavo completion zsh > ~/.zfunc/_octavo\n"
      "  octavo completion fish > ~/.config/fish/completions/octavo.fish");
  command->callback([shell, &app] {
    const std::vector<Command> commands = commands_of(app);
    fmt::print("{}", *shell == "bash"  ? bash_script(commands)
                     : *shell == "zsh" ? zsh_script(commands)
                                       : fish_script(commands));
  });
}

}  // namespace octavo::cli
