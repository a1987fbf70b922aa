#include "numerics/packing.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "octavo/error.h"

namespace octavo {
namespace {

class Packing : public testing::TestWithParam<int> {};

TEST_P(Packing, FollowsTheBitStream) {
  const int bits = GetParam();
  std::mt19937 engine(3);
  for (int count : {8, 16, 32, 64, 128}) {
    std::vector<uint8_t> codes(count), packed(count / 8 * bits, 0xaa), expected(packed.size(), 0);
    for (auto& code : codes) code = static_cast<uint8_t>(engine() & ((1u << bits) - 1));
    for (int i = 0; i < count * bits; ++i) {
      const int bit = codes[i / bits] >> (i % bits) & 1;
      expected[i / 8] = static_cast<uint8_t>(expected[i / 8] | bit << (i % 8));
    }
    pack_codes(codes.data(), count, bits, packed.data());
    EXPECT_EQ(packed, expected);
    std::vector<uint8_t> back(count);
    unpack_codes(packed.data(), count, bits, back.data());
    EXPECT_EQ(back, codes);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryWidth, Packing, testing::Values(2, 3, 4, 5, 6, 8));

TEST(PackingErrors, RefusesOtherWidths) {
  uint8_t codes[8] = {}, packed[8] = {};
  for (int bits : {0, 1, 7, 9}) {
    EXPECT_THROW(pack_codes(codes, 8, bits, packed), Error);
    EXPECT_THROW(unpack_codes(packed, 8, bits, codes), Error);
  }
}

}  // namespace
}  // namespace octavo
