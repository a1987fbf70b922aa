// cli: the chat of four turns that `octavo bench capitals` measures.
#pragma once

#include <string>
#include <vector>

#include "octavo/octavo.h"

namespace octavo::cli {

struct ChatTurn {
  std::string user;
  Result result;
};

/// One conversation: the capitals of France, Germany and Japan, then which is the most populous.
/// Turns 2 to 4 count, the first one warms up.
struct ChatRun {
  std::vector<ChatTurn> turns;
  double best_decode() const;    // tok/s of turns 2 to 4
  double median_decode() const;  // of turns 2 to 4
};
ChatRun run_capitals_chat(const Model& model, const GenerationOptions& options);

}  // namespace octavo::cli
