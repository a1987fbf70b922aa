#if defined(__x86_64__)
// clang-format off: the vectors come before what is written against them.
#include "kernels/avx2/vec.h"
#include "kernels/avx2/ints.h"
#include "kernels/body.h"
// clang-format on
#include "kernels/tables.h"

namespace octavo {

static_assert(kGroupsApart<avx2::Vec, IntegerMxfp8<avx2::Vec>, 4>);
static_assert(kBytePairs<avx2::Vec, IntegerMxfp8<avx2::Vec>> &&
              kBytePairs<avx2::Vec, IntegerAffine<avx2::Vec, 8>>);

const Kernels& avx2_kernels() {
  static constexpr Kernels kTable = make_kernels<avx2::Vec>("avx2");
  return kTable;
}

}  // namespace octavo
#endif
