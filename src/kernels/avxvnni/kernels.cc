#if defined(__x86_64__)
// clang-format off: the vectors come before what is written against them.
#include "kernels/avx2/vec.h"
#include "kernels/avx2/ints.h"
#include "kernels/body.h"
// clang-format on
#include "kernels/tables.h"

namespace octavo {

const Kernels& avxvnni_kernels() {
  static const Kernels table = [] {
    Kernels all = avx2_kernels();
    all.name = "avxvnni";
    all.matmul_integer = matmul_integer<avx2::Vec>;
    return all;
  }();
  return table;
}

}  // namespace octavo
#endif
