#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/fail.h"
#include "kernels/panel_sizes.h"
#include "kernels/prefetch.h"
#include "kernels/tables.h"
#include "kernels/tile_rows.h"

namespace octavo {
namespace {

struct Isa {
  std::string_view name;
  const Kernels& (*table)();
  bool available;
};

#if defined(__x86_64__)
/// Whether this process may use matrix tiles: their registers are so large that Linux asks.
bool may_use_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

// Widest first.
const std::vector<Isa>& isas() {
  static const std::vector<Isa> list = [] {
    std::vector<Isa> all;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("avx512dq");
    const bool vnni = avx512 && __builtin_cpu_supports("avx512vnni") &&
                      __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("gfni");
    const bool fp16 = vnni && __builtin_cpu_supports("avx512fp16");
    const bool amx = vnni && __builtin_cpu_supports("avx512bf16") &&
                     __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") &&
                     may_use_tiles();
    all.push_back({"amx", amx_kernels, amx});
    all.push_back({"avx512fp16", avx512fp16_kernels, fp16});
    all.push_back({"avx512vnni", avx512vnni_kernels, vnni});
    all.push_back({"avx512", avx512_kernels, avx512});
    const bool avxvnni =
        avx2 && __builtin_cpu_supports("avxvnni") && __builtin_cpu_supports("gfni");
    all.push_back({"avxvnni", avxvnni_kernels, avxvnni});
    all.push_back({"avx2", avx2_kernels, avx2});
#elif defined(__aarch64__)
    const uint64_t needed = HWCAP_ASIMDHP | HWCAP_ASIMDDP;
    all.push_back({"neon", neon_kernels, (::getauxval(AT_HWCAP) & needed) == needed});
#endif
    all.push_back({"scalar", scalar_kernels, true});
    return all;
  }();
  return list;
}

}  // namespace

#if defined(__x86_64__)
StreamTuning stream_tuning = [] {
  if (__builtin_cpu_is("intel")) return StreamTuning{2048, 12288, 4};
  if (!__builtin_cpu_is("amdfam19h")) return StreamTuning{12288, 0, 2};  // measured on Zen 5
  // Zen 4 or Zen 3, by their registers: g++ 12 takes the former for "znver3".
  if (__builtin_cpu_supports("avx512f")) return StreamTuning{2048, 12288, 1};
  return StreamTuning{4096, 0, 2};
}();
#else
StreamTuning stream_tuning{6144, 0, 2};  // not measured
#endif

int64_t exact_scratch_floats(const MatrixView& m) {
  const int64_t cols = padded(m.cols), rows = panel_rows(cols);
  return rows * stride_of(cols) + 4 * padded(m.groups()) + rows * kTileTokens * kLanes;
}

int64_t integer_scratch_bytes(const MatrixView& m, int64_t tokens) {
  const int64_t blocks = integer_blocks(m.cols);
  if (tokens <= kRowKernelTokens) {  // partial sums of 16 rows, ordered sides and codes of inputs
    const int64_t steps = blocks / 4 + 1, codes = (blocks + kHalfStep - 1) / kHalfStep * kHalfStep;
    return 4 * kRowKernelTokens * (kIntegerRows * 16 + steps * 32 + codes * 32);
  }
  const int64_t width = 16 * panel_vectors(blocks, kMostPanelVectors);
  return 4 * width * (blocks * 32 + 2 * m.groups() + tokens);
}

int64_t tile_scratch_bytes(const MatrixView& m) {
  return std::max(kTilePanelBytes, tile_steps(m.cols) * 2048) + kTileSides * padded(m.groups()) * 4;
}

std::vector<std::string_view> available_isas() {
  std::vector<std::string_view> names;
  for (const Isa& isa : isas()) {
    if (isa.available) names.push_back(isa.name);
  }
  return names;
}

const Kernels& kernels_for(std::string_view name) {
  for (const Isa& isa : isas()) {
    if (isa.name != name) continue;
    if (!isa.available) {
      fail(ErrorCode::kBadRequest, "instruction set '{}': this CPU does not have it", name);
    }
    return isa.table();
  }
  std::string known;
  for (const Isa& isa : isas()) known += (known.empty() ? "" : ", ") + std::string(isa.name);
  fail(ErrorCode::kBadRequest, "instruction set '{}' is unknown; expected one of: {}",
       printable(name), known);
}

const Kernels& kernels() {
  static const Kernels& chosen = [&]() -> const Kernels& {
    const char* forced = std::getenv("OCTAVO_ISA");
    return kernels_for(forced != nullptr && *forced != '\0' ? forced : available_isas().front());
  }();
  return chosen;
}

}  // namespace octavo
