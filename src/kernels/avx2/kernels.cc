#if defined(__x86_64__)
#include "kernels/avx2/vec.h"
#include "kernels/body.h"
#include "kernels/tables.h"

namespace octavo {

const Kernels& avx2_kernels() {
  static constexpr Kernels kTable = make_kernels<avx2::Vec>("avx2");
  return kTable;
}

}  // namespace octavo
#endif
