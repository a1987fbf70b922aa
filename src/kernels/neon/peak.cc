#if defined(__aarch64__)
#include "kernels/peak.h"

#include <arm_neon.h>

namespace octavo {
namespace {

struct Fma {
  using Acc = float32x4_t;
  using Factor = float32x4_t;
  static constexpr uint64_t kOperations = 8;
  static void step(Acc& acc, Factor x, Factor y) {
    asm volatile("fmla %0.4s, %1.4s, %2.4s" : "+w"(acc) : "w"(x), "w"(y));
  }
};

struct MultiplyAddWords {
  using Acc = int32x4_t;
  using Factor = int16x8_t;
  static constexpr uint64_t kOperations = 8;
  static void step(Acc& acc, Factor x, Factor y) {
    asm volatile("smlal2 %0.4s, %1.8h, %2.8h" : "+w"(acc) : "w"(x), "w"(y));
  }
};

struct HalfFma {
  using Acc = float16x8_t;
  using Factor = float16x8_t;
  static constexpr uint64_t kOperations = 16;
  static void step(Acc& acc, Factor x, Factor y) {
    asm volatile("fmla %0.8h, %1.8h, %2.8h" : "+w"(acc) : "w"(x), "w"(y));
  }
};

}  // namespace

PeakLoops neon_peaks();
PeakLoops neon_peaks() {
  return {peak_loop<Fma>(), peak_loop<MultiplyAddWords>(), peak_loop<HalfFma>(),
          read_all<uint64x2_t>};
}

}  // namespace octavo
#endif
