#if defined(__aarch64__)
// clang-format off: the vectors come before what is written against them.
#include "kernels/neon/vec.h"
#include "kernels/neon/ints.h"
#include "kernels/body.h"
// clang-format on
#include "kernels/tables.h"

namespace octavo {

const Kernels& neon_kernels() {
  static constexpr Kernels kTable = make_kernels<neon::Vec>("neon");
  return kTable;
}

}  // namespace octavo
#endif
