// clang-format off: the vectors come before what is written against them.
#include "kernels/scalar/vec.h"
#include "kernels/scalar/ints.h"
#include "kernels/body.h"
// clang-format on
#include "kernels/tables.h"

namespace octavo {

const Kernels& scalar_kernels() {
  static constexpr Kernels kTable = make_kernels<scalar::Vec>("scalar");
  return kTable;
}

}  // namespace octavo
