#include "base/function_ref.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <type_traits>

namespace octavo {
namespace {

// Two pointers and nothing to destroy: there is no room for an allocation.
static_assert(sizeof(FunctionRef<void()>) == 2 * sizeof(void*));
static_assert(std::is_trivially_copyable_v<FunctionRef<void()>>);
static_assert(std::is_trivially_destructible_v<FunctionRef<void()>>);

int call(FunctionRef<int(int)> function, int value) {
  return function(value);
}

TEST(FunctionRef, CallsWhatItRefersTo) {
  const std::array<int, 64> captured{1, 2, 3};
  EXPECT_EQ(call([captured](int i) { return captured[static_cast<size_t>(i)]; }, 2), 3);
  int calls = 0;
  auto counter = [&calls, own = 0](int) mutable { return calls = ++own; };
  const FunctionRef<int(int)> reference = counter;
  FunctionRef<int(int)> copy = reference;
  EXPECT_EQ(reference(0), 1);
  EXPECT_EQ(copy(0), 2);
  EXPECT_EQ(calls, 2);
}

TEST(FunctionRef, PassesReferencesAndMoveOnlyValues) {
  int target = 0;
  const auto set = [](int& where, std::unique_ptr<int> value) { where = *value; };
  const FunctionRef<void(int&, std::unique_ptr<int>)> reference = set;
  reference(target, std::make_unique<int>(7));
  EXPECT_EQ(target, 7);
}

TEST(FunctionRef, TakesOnlyWhatCanBeCalled) {
  EXPECT_FALSE((std::is_constructible_v<FunctionRef<void()>, int>));
  const auto text = [] { return "x"; };
  EXPECT_FALSE((std::is_constructible_v<FunctionRef<int()>, decltype(text)&>));
}

}  // namespace
}  // namespace octavo
