// Memory of activations: reused, aligned, and safe to give back from anywhere.
#include "backend/tensor.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace octavo {
namespace {

TEST(BufferTest, WhatIsGivenBackServesTheNextOfItsSize) {
  void* first = Buffer(100'000).data();
  const Buffer smaller(1000);
  EXPECT_NE(smaller.data(), first);
  const Buffer same(100'000), other(100'000);
  EXPECT_EQ(same.data(), first);
  EXPECT_NE(other.data(), first);
}

TEST(BufferTest, TheLastGivenBackIsTheFirstTaken) {  // it is the warmest
  auto a = std::make_unique<Buffer>(5000), b = std::make_unique<Buffer>(5000);
  void *first = a->data(), *last = b->data();
  a.reset();
  b.reset();
  const Buffer c(5000), d(5000);
  EXPECT_EQ(c.data(), last);
  EXPECT_EQ(d.data(), first);
}

TEST(BufferTest, IsAlignedAndAsLargeAsWanted) {
  for (const size_t bytes : {0u, 1u, 63u, 64u, 65u, 4096u, 4097u, 1'000'000u}) {
    const Buffer buffer(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u) << bytes;
    std::fill_n(static_cast<char*>(buffer.data()), bytes, 'x');  // for the sanitizers
  }
}

TEST(BufferTest, Moves) {
  Buffer from(1000);
  void* data = from.data();
  Buffer to(std::move(from));
  EXPECT_EQ(to.data(), data);
  Buffer assigned(2000);
  assigned = std::move(to);
  EXPECT_EQ(assigned.data(), data);
  EXPECT_EQ(Buffer().data(), nullptr);
}

TEST(BufferTest, AThreadMayGiveBackWhatAnotherTook) {
  Buffer buffer;
  std::thread([&] { buffer = Buffer(300'000); }).join();
  void* data = buffer.data();
  ASSERT_NE(data, nullptr);
  buffer = Buffer();
  EXPECT_EQ(Buffer(300'000).data(), data);
}

TEST(BufferTest, ThreadsShareNothing) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int round = 0; round < 200; ++round) {
        Tensor a(3, 100 + i), b(3, 100 + i);
        std::fill_n(a.row(0), 3 * padded(100 + i), static_cast<float>(i));
        std::fill_n(b.row(0), 3 * padded(100 + i), -1.0f);
        for (int64_t c = 0; c < 100; ++c) ASSERT_EQ(a.row(2)[c], static_cast<float>(i));
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

// Destroyed after the thread's free lists, which are made later.
TEST(BufferTest, MayOutliveTheThreadsLists) {
  std::thread([] {
    thread_local Buffer longest;
    EXPECT_EQ(longest.data(), nullptr);
    longest = Buffer(1000);
    EXPECT_NE(longest.data(), nullptr);
  }).join();
}

TEST(TensorTest, RowsArePaddedWithZerosOnUsedMemoryToo) {
  for (int round = 0; round < 2; ++round) {
    Tensor t(3, 17);
    for (int64_t r = 0; r < 3; ++r) {
      EXPECT_EQ(t.row(r) - t.row(0), r * 32);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(t.row(r)) % 64, 0u);
      for (int64_t c = 17; c < 32; ++c) EXPECT_EQ(t.row(r)[c], 0.0f);
      std::fill_n(t.row(r), 32, 5.0f);
    }
  }
}

}  // namespace
}  // namespace octavo
