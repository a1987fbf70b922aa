#if defined(__x86_64__)
// clang-format off: the vectors come before what is written against them.
#include "kernels/avx512/vec.h"
#include "kernels/avx512/ints.h"
#include "kernels/body.h"
// clang-format on
#include "kernels/tables.h"

namespace octavo {

const Kernels& avx512_kernels() {
  static constexpr Kernels kTable = make_kernels<avx512::Vec>("avx512");
  return kTable;
}

}  // namespace octavo
#endif
