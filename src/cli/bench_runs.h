// cli: runs of fixed length: prefill, and decoding at a depth in batches.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "cli/bench_machine.h"
#include "model/language_model.h"

namespace octavo::cli {

/// Middle and spread of several measurements.
struct Spread {
  double median = 0, low = 0, high = 0;
};
Spread spread_of(std::vector<double> values);  // zeros if there are none

struct FixedPlan {
  std::vector<int64_t> prefill, decode, depths, batches;
  int runs = 5;
  int prefill_chunk = 512;
};

/// What every kind of run tells. The vectors have an entry per run.
struct Measured {
  int64_t tokens = 0;  // per sequence
  int64_t depth = 0;   // tokens in the cache beforehand
  std::vector<double> tok_s;
  std::optional<double> others;  // share of the CPU time that other programs used meanwhile
  Profile profile;               // of all runs
};

struct PrefillRun : Measured {
  double matrix_gflop = 0;     // of the products with weights, per run
  double attention_gflop = 0;  // of scores and sums of values, per run
  Spread gflops() const;       // matrix operations per second
};

struct DecodeRun : Measured {
  int64_t batch = 1;
  bool shared_cache = false;  // memory was too small for a cache of its own for each sequence
  double experts = 0;         // distinct ones per layer and step
  double weight_bytes = 0;    // per step of the whole batch
  double kv_bytes = 0;
  std::vector<double> read_gbps;  // of the machine, just before and after each run
  std::vector<double> gbps() const;
  std::vector<double> ratios() const;  // gbps / read_gbps
};

/// Throws kBadRequest if a run does not fit into the context.
void check_fits(const FixedPlan& plan, int64_t context);

/// Each length at each depth; `report` is called after each.
std::vector<PrefillRun> run_prefill(LanguageModel& model, const FixedPlan& plan,
                                    const std::function<void(const PrefillRun&)>& report);

/// Each length in each batch, in turn, at one depth after the other; `report` is called for the
/// runs of a depth when all of them are done, and `others` is of that time. The tokens are
/// arbitrary and not the model's own choice, though it is made: text of a random model soon repeats
/// itself and with it its experts.
std::vector<DecodeRun> run_decode(LanguageModel& model, BenchMachine& machine,
                                  const FixedPlan& plan,
                                  const std::function<void(const DecodeRun&)>& report);

}  // namespace octavo::cli
