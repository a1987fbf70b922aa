// clang-format off: the vectors come before what is written against them.
#include "kernels/scalar/vec.h"
#include "kernels/scalar/ints.h"
#include "kernels/body.h"
// clang-format on
#include "emulated.h"

#include <algorithm>
#include <type_traits>

namespace octavo {
namespace {

/// scalar::Ints with what AVX-512 has beyond (avx512/ints.h): bytes of several blocks of which each
/// lane has those of its own group, and products of bytes.
struct GroupInts : scalar::Ints {
  GroupInts() = default;
  GroupInts(const scalar::Ints& v) : scalar::Ints(v) {}
  static GroupInts load(const void* p) { return scalar::Ints::load(p); }
  static GroupInts zero() { return scalar::Ints::zero(); }
  friend GroupInts operator+(GroupInts a, const GroupInts& b) {
    for (int i = 0; i < 16; ++i) a.lane[i] += b.lane[i];
    return a;
  }

  static constexpr int kBlocksApart = 8;  // see matmul_integer_steps.h
  template <int kBlocks>
  static void groups_apart(GroupInts (&blocks)[kBlocks]) {
    GroupInts moved[kBlocks];
    for (int i = 0; i < kBlocks; ++i) {
      for (int from = 0; from < 16; ++from) {
        // Eight lanes are a group; with four blocks, the lanes of half a group.
        const int k = from % kBlocks, part = from / kBlocks;
        const int lane = kBlocks == 8 ? lane_of_group<false>(2 * i + part) : part * 4 + i;
        moved[k].lane[lane] = blocks[i].lane[from];
      }
    }
    std::copy_n(moved, kBlocks, blocks);
  }

  template <bool kE4m3>
  static void bytes_apart(GroupInts codes, GroupInts& first, GroupInts& second) {
    uint8_t bytes[64], ordered[64];
    codes.store(bytes);
    for (int i = 0; i < 64; ++i) ordered[i] = bytes[pair_element(i)];
    static_assert(kE4m3);  // affine codes are multiplied in digits
    e4m3(ordered, first, second);
  }

  static void add_products(GroupInts& sum, GroupInts& more, GroupInts a, GroupInts x, GroupInts b,
                           GroupInts y) {
    sum = dot(sum, a, x);
    more = dot(more, b, y);
  }

  template <int kBlocks>
  static void inputs_apart(GroupInts (&first)[kBlocks], GroupInts (&second)[kBlocks]) {
    for (int i = 0; i < kBlocks; ++i) {
      int16_t placed[64], paired[64];
      first[i].store(placed);
      second[i].store(placed + 32);
      for (int j = 0; j < 64; ++j) paired[place(j)] = placed[place(pair_element(j))];
      first[i] = load(paired);
      second[i] = load(paired + 32);
    }
    groups_apart(first);
    groups_apart(second);
  }

  // As AVX-512 with VNNI does: kernels/matmul_integer_digits.h.
  static constexpr bool kHasDigits = true;
  template <int kBits>
  static GroupInts code_bytes(const uint8_t* p) {
    uint8_t bytes[64];
    for (int i = 0; i < 64; ++i) {
      const int bit = i * kBits;
      uint32_t word = p[bit / 8];
      if (bit % 8 + kBits > 8) word |= p[bit / 8 + 1] << 8;
      bytes[i] = static_cast<uint8_t>(word >> bit % 8 & ((1 << kBits) - 1));
    }
    return load(bytes);
  }
  static void split_digits(GroupInts& first, GroupInts& second) {
    int16_t placed[64];
    first.store(placed);
    second.store(placed + 32);
    int8_t low[64], high[64];
    for (int i = 0; i < 64; ++i) {
      low[i] = static_cast<int8_t>(placed[place(i)] & 127);
      high[i] = static_cast<int8_t>(placed[place(i)] >> 7);
    }
    first = load(low);
    second = load(high);
  }
  static GroupInts dot_bytes(GroupInts sum, const GroupInts& codes, const GroupInts& digits) {
    uint8_t code[64];
    int8_t digit[64];
    codes.store(code);
    digits.store(digit);
    for (int i = 0; i < 64; ++i) sum.lane[i / 4] += code[i] * digit[i];
    return sum;
  }
  static GroupInts high_digits(GroupInts sum) {
    for (int32_t& lane : sum.lane) lane *= 128;
    return sum;
  }
  static GroupInts load_once(const void* p) { return load(p); }

 private:
  /// The element that takes the place of element i, so that the first two of the four codes of
  /// every lane come to the first half and the last two to the second.
  static constexpr int pair_element(int i) {
    const int at = place(i);
    return at % 32 / 2 * 4 + at / 32 * 2 + at % 2;
  }
};

/// The plain vector of 16 lanes, made of `Of::kParts` registers, with the tiles of an instruction
/// set.
template <class Of>
struct Emulated : scalar::Vec {
  static constexpr int kParts = Of::kParts, kTokenTile = Of::kTokenTile;
  static constexpr int kPanelTokens = Of::kPanelTokens, kPanelVectors = Of::kPanelVectors;
  static constexpr int kSums = Of::kSums;
  static constexpr bool kBlocks = Of::kParts == 1;
  using Ints = std::conditional_t<Of::kParts == 1, GroupInts, scalar::Ints>;

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
