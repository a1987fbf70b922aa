#include "base/checked.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace octavo {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

template <typename Action>
void expect_bad_file(Action action) {
  try {
    action();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadFile);
    EXPECT_THAT(error.what(), testing::StartsWith("tensor t: "));
  }
}

TEST(Checked, AddAndMultiplyUpToTheLimit) {
  EXPECT_EQ(checked_add(kMax - 1, 1, "t"), kMax);
  EXPECT_EQ(checked_mul(kMax / 3, 3, "t"), kMax);
  EXPECT_EQ(checked_mul(kMax, 0, "t"), 0u);
  expect_bad_file([] { checked_add(kMax, 1, "tensor t"); });
  expect_bad_file([] { checked_mul(kMax / 3 + 1, 3, "tensor t"); });
  expect_bad_file([] { checked_mul(uint64_t{1} << 32, uint64_t{1} << 32, "tensor t"); });
}

TEST(Checked, ProductOfAShape) {
  EXPECT_EQ(checked_product({}, "t"), 1u);
  EXPECT_EQ(checked_product(std::array<int64_t, 3>{2, 3, 7}, "t"), 42u);
  EXPECT_EQ(checked_product(std::array<int64_t, 2>{0, 5}, "t"), 0u);
  expect_bad_file([] { checked_product(std::array<int64_t, 2>{3, -1}, "tensor t"); });
  expect_bad_file([] {
    checked_product(std::array<int64_t, 3>{int64_t{1} << 40, int64_t{1} << 20, 16}, "tensor t");
  });
}

}  // namespace
}  // namespace octavo
