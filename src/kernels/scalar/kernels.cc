#include "kernels/body.h"
#include "kernels/scalar/vec.h"
#include "kernels/tables.h"

namespace octavo {

const Kernels& scalar_kernels() {
  static constexpr Kernels kTable = make_kernels<scalar::Vec>("scalar");
  return kTable;
}

}  // namespace octavo
