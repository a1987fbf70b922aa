#if defined(__x86_64__)
#include "kernels/peak.h"

#include <immintrin.h>

namespace octavo {
namespace {

struct Fma {
  using Acc = __m256;
  using Factor = __m256;
  static constexpr uint64_t kOperations = 16;
  static void step(__m256& acc, __m256 x, __m256 y) {
    asm volatile("vfmadd231ps %2, %1, %0" : "+x"(acc) : "x"(x), "x"(y));
  }
};

struct MultiplyAddWords {
  using Acc = __m256i;
  using Factor = __m256i;
  static constexpr uint64_t kOperations = 32;
  static void step(__m256i& acc, __m256i x, __m256i y) {
    __m256i product;
    asm volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
                 : "+x"(acc), "=&x"(product)
                 : "x"(x), "x"(y));
  }
};

struct DotWords {  // AVX-VNNI
  using Acc = __m256i;
  using Factor = __m256i;
  static constexpr uint64_t kOperations = 32;
  static void step(__m256i& acc, __m256i x, __m256i y) {
    asm volatile("%{vex%} vpdpwssd %2, %1, %0" : "+x"(acc) : "x"(x), "x"(y));
  }
};

}  // namespace

PeakLoops avx2_peaks(bool vnni);
PeakLoops avx2_peaks(bool vnni) {
  const PeakLoop int16 = vnni ? peak_loop<DotWords>() : peak_loop<MultiplyAddWords>();
  return {peak_loop<Fma>(), int16, {}, read_all<__m256i>};
}

}  // namespace octavo
#endif
