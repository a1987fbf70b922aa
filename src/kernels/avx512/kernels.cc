#if defined(__x86_64__)
#include "kernels/avx512/vec.h"
#include "kernels/body.h"
#include "kernels/tables.h"

namespace octavo {

const Kernels& avx512_kernels() {
  static constexpr Kernels kTable = make_kernels<avx512::Vec>("avx512");
  return kTable;
}

}  // namespace octavo
#endif
