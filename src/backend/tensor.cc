#include "backend/tensor.h"

#include <array>
#include <bit>
#include <new>

namespace octavo {
namespace {

constexpr std::align_val_t kAlignment{64};

/// Buffers of 2^i bytes that nobody uses, per thread.
struct FreeLists {
  std::array<std::vector<void*>, 64> lists;
  ~FreeLists() {
    for (auto& list : lists) {
      for (void* data : list) ::operator delete(data, kAlignment);
    }
  }
};

// False once the thread's lists are gone: a tensor may outlive them.
thread_local bool lists_alive = false;

FreeLists& free_lists() {
  struct Guarded : FreeLists {
    Guarded() { lists_alive = true; }
    ~Guarded() { lists_alive = false; }
  };
  thread_local Guarded lists;
  return lists;
}

}  // namespace

Buffer::Buffer(size_t bytes) : size_class_(std::bit_width(std::max<size_t>(bytes, 64) - 1)) {
  auto& list = free_lists().lists[static_cast<size_t>(size_class_)];
  if (list.empty()) {
    data_ = ::operator new(size_t{1} << size_class_, kAlignment);
    return;
  }
  data_ = list.back();
  list.pop_back();
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  if (!lists_alive) {
    ::operator delete(data_, kAlignment);
    return;
  }
  free_lists().lists[static_cast<size_t>(size_class_)].push_back(data_);
}

}  // namespace octavo
