// The kernels over vectors emulated in plain C++ with the registers and tiles of instruction sets
// that not every machine has: their logic and tails are tested on every x86 machine.
#pragma once

#include <vector>

#include "kernels/kernels.h"

namespace octavo {

/// Tables for registers of 16 lanes (AVX-512) and of 4 (NEON).
std::vector<const Kernels*> emulated_kernels();

/// Plain C++ with emulated matrix tiles of BF16 numbers (AMX).
const Kernels& emulated_tiles();

}  // namespace octavo
