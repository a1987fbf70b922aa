// convert: AWQ folding: scales that make important input columns larger before quantisation, undone
// exactly in the tensor that feeds the matrix. All scales are powers of two, so nothing is rounded.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "convert/imatrix.h"
#include "convert/plan.h"

namespace octavo::convert {

/// What happens to one tensor: element (r, j) is multiplied by 2^(rows[r] + columns[…, j]).
struct TensorScaling {
  std::vector<int8_t> columns;  // [width], or [matrices, width] for an expert stack; empty: none
  std::vector<int8_t> rows;     // one per row (all matrices); empty: none
};

struct AwqSkip {
  std::string group, reason;
};

struct AwqPlan {
  std::map<std::string, TensorScaling> tensors;  // by output name, norms included
  int groups = 0;                                // groups scaled
  int norms = 0;                                 // of them, groups that changed a norm
  std::vector<AwqSkip> skipped;
};

/// Exponents of s_j = sqrt(max(importance_j, 1e-8)), centred so that the largest and the smallest
/// are equally far from 1, rounded to powers of two. `importance` holds mean squares.
std::vector<int8_t> awq_exponents(const std::vector<double>& importance);

/// Which groups are scaled. Legal groups are exactly these (the reader's columns by s, the feeder
/// by 1/s); every other pair of Gemma 4 changes what the model computes:
///   input_layernorm -> q, k, v           pre_feedforward_layernorm -> dense gate, up
///   rows of dense up -> dense down       pre_feedforward_layernorm_2 -> all experts' gate, up
///   rows of an expert's up -> that expert's down
AwqPlan plan_awq(const Plan& plan, const Importance& importance, AwqMode mode);

}  // namespace octavo::convert
