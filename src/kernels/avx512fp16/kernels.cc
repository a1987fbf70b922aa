#if defined(__x86_64__)
// clang-format off: the vectors come before what is written against them.
#include "kernels/avx512/vec.h"
#include "kernels/avx512/ints.h"
#include "kernels/body.h"
// clang-format on
#include "kernels/tables.h"

namespace octavo {

static_assert(OCTAVO_FP16 && kGroupsApart<avx512::Vec, IntegerMxfp8<avx512::Vec>, 4>);

const Kernels& avx512fp16_kernels() {
  static const Kernels table = [] {
    Kernels all = avx512vnni_kernels();
    all.name = "avx512fp16";
    all.matmul_integer = matmul_integer<avx512::Vec>;
    return all;
  }();
  return table;
}

}  // namespace octavo
#endif
