// backend: weights bound to mapped bytes.
#pragma once

#include "kernels/matrix_view.h"

namespace octavo {

/// One [out, in] matrix in storage form.
using WeightMatrix = MatrixView;

/// A stack of equal matrices, one per expert, inside one tensor [experts, rows, in]. The fused
/// gate_up tensor of the Hugging Face form is two of these over the same bytes.
struct ExpertStack {
  WeightMatrix all;    // [experts * stride, in]
  int64_t stride = 0;  // rows from one expert to the next
  int64_t offset = 0;  // first row inside an expert
  int64_t rows = 0;    // rows of one expert

  WeightMatrix expert(int64_t index) const { return all.slice(index * stride + offset, rows); }
};

struct ExpertBank {
  ExpertStack gate, up;  // [experts, moe_intermediate, hidden]
  ExpertStack down;      // [experts, hidden, moe_intermediate]
};

}  // namespace octavo
