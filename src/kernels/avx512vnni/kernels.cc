#if defined(__x86_64__)
// clang-format off: the vectors come before what is written against them.
#include "kernels/avx512/vec.h"
#include "kernels/avx512/ints.h"
#include "kernels/body.h"
// clang-format on
#include "kernels/tables.h"

namespace octavo {

static_assert(kHasMxfp8Blocks<avx512::Vec, Mxfp8<avx512::Vec>> &&
              kGroupsApart<avx512::Vec, IntegerMxfp8<avx512::Vec>, 4> &&
              kInDigits<avx512::Vec, IntegerAffine<avx512::Vec, 8>, 2> &&
              kInDigits<avx512::Vec, IntegerAffine<avx512::Vec, 6>, 1>);

const Kernels& avx512vnni_kernels() {
  static constexpr Kernels kTable = make_kernels<avx512::Vec>("avx512vnni");
  return kTable;
}

}  // namespace octavo
#endif
