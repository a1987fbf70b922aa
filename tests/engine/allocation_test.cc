// Decoding in the steady state asks the system for no memory worth a page: counted by replacing the
// program's operator new.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>

#include "converted_demo.h"
#include "engine/sequence.h"

namespace {

constexpr size_t kPage = 4096;
std::atomic<int> large_blocks{0};

void* allocate(size_t size, size_t alignment) {
  if (size >= kPage) ++large_blocks;
  // aligned_alloc wants a multiple of the alignment.
  void* p = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

}  // namespace

void* operator new(size_t size) {
  return allocate(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<size_t>(alignment));
}
// Sorting takes its buffer with these; a sanitizer's own would not match the free() below.
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  if (size >= kPage) ++large_blocks;
  return std::malloc(size);
}
void operator delete(void* p, const std::nothrow_t&) noexcept {
  std::free(p);
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, size_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p, size_t, std::align_val_t) noexcept {
  std::free(p);
}

namespace octavo {
namespace {

class DecodeAllocation : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Layouts, DecodeAllocation, testing::ValuesIn(kLayouts),
                         [](const auto& layout) { return layout.param; });

TEST(AllocationCounter, CountsBlocksOfAPage) {
  const int before = large_blocks;
  {
    const std::vector<char> page(kPage), less(kPage - 1);
  }
  EXPECT_EQ(large_blocks - before, 1);
}

TEST_P(DecodeAllocation, StepsInsideABlockOfTheCacheAllocateNothingLarge) {
  // One thread: which of several grows its scratch when would be chance.
  const auto model = LanguageModel::load(converted_demo(GetParam()), {.threads = 1});
  while (model->prefault().running()) std::this_thread::yield();
  Sequence sequence(*model);
  // Positions 64 to 127 share blocks.
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 66; ++i) tokens.push_back(100 + 7 * i);
  sequence.assign(tokens);
  for (int32_t i = 0; i < 10; ++i) sequence.append(700 + 9 * i);
  const int before = large_blocks;
  for (int32_t i = 0; i < 45; ++i) sequence.append(1000 + 9 * i);
  EXPECT_EQ(large_blocks - before, 0);
}

}  // namespace
}  // namespace octavo
