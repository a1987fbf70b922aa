#if defined(__x86_64__)
#include "kernels/peak.h"

#include <immintrin.h>

namespace octavo {
namespace {

struct Fma {
  using Acc = __m512;
  using Factor = __m512;
  static constexpr uint64_t kOperations = 32;
  static void step(__m512& acc, __m512 x, __m512 y) {
    asm volatile("vfmadd231ps %2, %1, %0" : "+v"(acc) : "v"(x), "v"(y));
  }
};

struct FmaHalf {
  using Acc = __m512i;
  using Factor = __m512i;
  static constexpr uint64_t kOperations = 64;
  static void step(__m512i& acc, __m512i x, __m512i y) {
    asm volatile("vfmadd231ph %2, %1, %0" : "+v"(acc) : "v"(x), "v"(y));
  }
};

struct DotWords {  // VNNI
  using Acc = __m512i;
  using Factor = __m512i;
  static constexpr uint64_t kOperations = 64;
  static void step(__m512i& acc, __m512i x, __m512i y) {
    asm volatile("vpdpwssd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(y));
  }
};

struct MultiplyAddWords {
  using Acc = __m512i;
  using Factor = __m512i;
  static constexpr uint64_t kOperations = 64;
  static void step(__m512i& acc, __m512i x, __m512i y) {
    __m512i product;
    asm volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
                 : "+v"(acc), "=&v"(product)
                 : "v"(x), "v"(y));
  }
};

}  // namespace

PeakLoops avx512_peaks();
PeakLoops avx512_peaks() {
  PeakLoops loops{peak_loop<Fma>(), peak_loop<MultiplyAddWords>(), {}, read_all<__m512i>};
  if (__builtin_cpu_supports("avx512vnni")) loops.int16 = peak_loop<DotWords>();
  if (__builtin_cpu_supports("avx512fp16")) loops.fp16 = peak_loop<FmaHalf>();
  return loops;
}

}  // namespace octavo
#endif
