// What compilers make of plain C++: 16-byte vectors on every CPU that Octavo is built for.
#include "kernels/peak.h"

namespace octavo {
namespace {

typedef float Floats __attribute__((vector_size(16)));
typedef uint64_t Words __attribute__((vector_size(16)));

struct MultiplyAdd {
  using Acc = Floats;
  using Factor = Floats;
  static constexpr uint64_t kOperations = 8;
  static void step(Floats& acc, Floats x, Floats y) {
    acc = acc * x + y;
#if defined(__aarch64__)
    asm volatile("" : "+w"(acc));  // must be computed, in a register
#else
    asm volatile("" : "+x"(acc));
#endif
  }
};

}  // namespace

PeakLoops scalar_peaks();
PeakLoops scalar_peaks() {
  return {peak_loop<MultiplyAdd>(), {}, {}, read_all<Words>};
}

}  // namespace octavo
