#include "backend/block_pool.h"

#include <cstring>
#include <new>

namespace octavo {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

BlockPool::~BlockPool() {
  for (const List& list : lists_) {
    for (Free* block = list.first; block != nullptr;) {
      Free* next = block->next;
      ::operator delete(block, kAlignment);
      block = next;
    }
  }
}

BlockPool::List& BlockPool::list(size_t size) {
  for (List& known : lists_) {
    if (known.size == size) return known;
  }
  return lists_.emplace_back(List{size});
}

Block BlockPool::take(size_t size) {
  std::byte* block = nullptr;
  {
    const std::lock_guard lock(mutex_);
    List& unused = list(size);
    if (unused.first != nullptr) {
      block = reinterpret_cast<std::byte*>(unused.first);
      unused.first = unused.first->next;
    }
  }
  if (block == nullptr) {
    block = static_cast<std::byte*>(::operator new(size, kAlignment));
    std::memset(block, 0, size);
  }
  return Block(block, [pool = shared_from_this(), size](std::byte* unused) {
    pool->give_back(unused, size);
  });
}

void BlockPool::give_back(std::byte* block, size_t size) {
  const std::lock_guard lock(mutex_);
  List& unused = list(size);
  unused.first = new (block) Free{unused.first};
}

}  // namespace octavo
