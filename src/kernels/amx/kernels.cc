#if defined(__x86_64__)
#include "kernels/amx/tiles.h"
#include "kernels/matmul_tiles.h"
#include "kernels/tables.h"

namespace octavo {

const Kernels& amx_kernels() {
  static const Kernels table = [] {
    Kernels all =
        __builtin_cpu_supports("avx512fp16") ? avx512fp16_kernels() : avx512vnni_kernels();
    all.name = "amx";
    all.split_row = split_row<amx::Tiles>;
    all.matmul_tiles = matmul_tiles<amx::Tiles>;
    return all;
  }();
  return table;
}

}  // namespace octavo
#endif
