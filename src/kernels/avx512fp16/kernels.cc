#if defined(__x86_64__)
// clang-format off: the vectors come before what is written against them.
#include "kernels/avx512/vec.h"
#include "kernels/avx512/ints.h"
#include "kernels/body.h"
// clang-format on
#include "kernels/tables.h"

namespace octavo {

namespace {

using V = avx512::Vec;
static_assert(OCTAVO_FP16 && kGroupsApart<V, IntegerMxfp8<V>, 4>);

/// Only E4M3 gains by FP16.
void matmul_integer_fp16(const MatrixView& m, int64_t begin, int64_t end, const IntegerRow* x,
                         int64_t tokens, float* const* y, void* scratch) {
  if (m.spec.mode != QuantMode::kMxfp8) {
    return avx512vnni_kernels().matmul_integer(m, begin, end, x, tokens, y, scratch);
  }
  matmul_integer_format<V, IntegerMxfp8<V>>(m, begin, end, x, tokens, y, scratch);
}

}  // namespace

const Kernels& avx512fp16_kernels() {
  static const Kernels table = [] {
    Kernels all = avx512vnni_kernels();
    all.name = "avx512fp16";
    all.matmul_integer = matmul_integer_fp16;
    return all;
  }();
  return table;
}

}  // namespace octavo
#endif
