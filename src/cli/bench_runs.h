// cli: what `octavo bench` measures: the four-turn chat and runs of fixed length.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "octavo/octavo.h"

namespace octavo::cli {

/// Middle and spread of several measurements.
struct Spread {
  double median = 0, low = 0, high = 0;
};
Spread spread_of(std::vector<double> values);  // zeros if there are none

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

struct FixedRun {
  std::string kind;  // "prefill" or "decode"
  int64_t tokens = 0;
  int64_t depth = 0;  // tokens in the cache beforehand
  std::vector<double> tok_s;
};

struct FixedPlan {
  std::vector<int64_t> prefill, decode, depths;
  int runs = 3;
};

/// Greedy runs over arbitrary tokens. `report` is called after each. Throws kBadRequest if a run
/// does not fit into the context.
std::vector<FixedRun> run_fixed(const Model& model, const FixedPlan& plan,
                                const std::function<void(const FixedRun&)>& report);

}  // namespace octavo::cli
