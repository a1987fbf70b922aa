// clang-format off: the vectors come before what is written against them.
#include "kernels/scalar/vec.h"
#include "kernels/scalar/ints.h"
#include "kernels/body.h"
// clang-format on
#include "emulated.h"

namespace octavo {
namespace {

/// The plain vector of 16 lanes, made of `Of::kParts` registers, with the tiles of an instruction
/// set.
template <class Of>
struct Emulated : scalar::Vec {
  static constexpr int kParts = Of::kParts, kTokenTile = Of::kTokenTile;
  static constexpr int kPanelTokens = Of::kPanelTokens, kPanelVectors = Of::kPanelVectors;
  static constexpr int kSums = Of::kSums;
  static constexpr bool kBlocks = Of::kParts == 1;

  Emulated() = default;
  Emulated(const scalar::Vec& v) : scalar::Vec(v) {}

  struct Part {
    float lane[16 / kParts];
  };
  static Part zero_part() { return {}; }
  static Part load_part(const float* p) {
    Part part;
    std::memcpy(part.lane, p, sizeof part.lane);
    return part;
  }
  static void store_part(Part a, float* p) { std::memcpy(p, a.lane, sizeof a.lane); }
  /// As scalar::Vec::fma rounds.
  static Part fma_part(Part a, Part b, Part c) {
    for (int i = 0; i < 16 / kParts; ++i) c.lane[i] = a.lane[i] * b.lane[i] + c.lane[i];
    return c;
  }
  static Emulated fma(const Emulated& a, const Emulated& b, const Emulated& c) {
    return scalar::Vec::fma(a, b, c);
  }
  // Passed by address, so they return this very type.
  static Emulated load_bf16(const uint8_t* p) { return scalar::Vec::load_bf16(p); }
  static Emulated load_f16(const uint8_t* p) { return scalar::Vec::load_f16(p); }
};

struct Wide {  // avx512/vec.h
  static constexpr int kParts = 1, kTokenTile = 6, kPanelTokens = 6, kPanelVectors = 4, kSums = 16;
};
struct Quarters {  // neon/vec.h
  static constexpr int kParts = 4, kTokenTile = 6, kPanelTokens = 6, kPanelVectors = 1, kSums = 4;
};

template <class Of>
const Kernels& emulated(std::string_view name) {
  static const Kernels table = make_kernels<Emulated<Of>>(name);
  return table;
}

}  // namespace

std::vector<const Kernels*> emulated_kernels() {
#if defined(__aarch64__)
  return {};  // where the tests run under an emulator
#else
  return {&emulated<Wide>("emulated16"), &emulated<Quarters>("emulated4")};
#endif
}

}  // namespace octavo
