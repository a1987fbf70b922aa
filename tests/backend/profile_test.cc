#include "backend/profile.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace octavo {
namespace {

void pass(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

TEST(Profile, SumsCallsBytesAndMacs) {
  Profile profile;
  {
    ProfileScope scope(&profile, Op::kHead, 100, 7);
  }
  {
    ProfileScope scope(&profile, Op::kHead, 20, 3);
  }
  {
    ProfileScope scope(&profile, Op::kNorm);
  }
  EXPECT_EQ(profile.of(Op::kHead).calls, 2u);
  EXPECT_EQ(profile.of(Op::kHead).bytes, 120u);
  EXPECT_EQ(profile.of(Op::kHead).macs, 10u);
  EXPECT_EQ(profile.of(Op::kNorm).calls, 1u);
  EXPECT_EQ(profile.of(Op::kQkv).calls, 0u);
}

TEST(Profile, TimeGoesToTheInnermostScopeOnly) {
  Profile profile;
  const auto start = std::chrono::steady_clock::now();
  {
    ProfileScope whole(&profile, Op::kOther);
    pass(2);
    {
      ProfileScope inner(&profile, Op::kMlp);
      pass(20);
    }
    pass(2);
  }
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_GE(profile.of(Op::kMlp).seconds, 0.020);
  EXPECT_GE(profile.of(Op::kOther).seconds, 0.004);
  EXPECT_LE(profile.seconds(), elapsed);
  EXPECT_NEAR(profile.outside_matrix_products(), profile.of(Op::kOther).seconds / profile.seconds(),
              1e-12);
}

TEST(Profile, TimeOutsideScopesIsNobodys) {
  Profile profile;
  {
    ProfileScope scope(&profile, Op::kEmbed);
  }
  pass(30);
  {
    ProfileScope scope(&profile, Op::kEmbed);
  }
  EXPECT_LT(profile.seconds(), 0.030);
}

TEST(Profile, NoProfileNoWork) {
  ProfileScope scope(nullptr, Op::kHead, 1, 1);
}

TEST(Profile, CountsExpertsAndForgets) {
  Profile profile;
  profile.add_experts(8);
  profile.add_experts(3);
  EXPECT_EQ(profile.of(Op::kExperts).experts, 11u);
  profile.reset();
  EXPECT_EQ(profile.of(Op::kExperts).experts, 0u);
  EXPECT_EQ(profile.seconds(), 0);
  EXPECT_EQ(profile.outside_matrix_products(), 0);
}

TEST(Profile, EveryOperationHasItsOwnName) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < kOps; ++i) names.insert(name_of(static_cast<Op>(i)));
  EXPECT_EQ(names.size(), kOps);
  EXPECT_FALSE(names.contains(""));
}

}  // namespace
}  // namespace octavo
