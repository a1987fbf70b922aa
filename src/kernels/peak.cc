#include "kernels/peak.h"

#include "kernels/kernels.h"

namespace octavo {

PeakLoops scalar_peaks();
#if defined(__x86_64__)
PeakLoops avx2_peaks(bool vnni);
PeakLoops avx512_peaks();
PeakLoop amx_peak();
#elif defined(__aarch64__)
PeakLoops neon_peaks();
#endif

const PeakLoops& peak_loops() {
  static const PeakLoops loops = [] {
#if defined(__x86_64__)
    if (kernels().name.starts_with("avx512")) return avx512_peaks();
    if (kernels().name == "amx") {
      PeakLoops all = avx512_peaks();
      all.bf16_tiles = amx_peak();
      return all;
    }
    if (kernels().name == "avx2") return avx2_peaks(false);
    if (kernels().name == "avxvnni") return avx2_peaks(true);
#elif defined(__aarch64__)
    if (kernels().name == "neon") return neon_peaks();
#endif
    return scalar_peaks();
  }();
  return loops;
}

}  // namespace octavo
