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

// A buffer may outlive the lists of the thread that gives it back.
thread_local bool lists_gone = false;

FreeLists& free_lists() {
  struct Guarded : FreeLists {
    ~Guarded() { lists_gone = true; }
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
  if (lists_gone) {
    ::operator delete(data_, kAlignment);
    return;
  }
  free_lists().lists[static_cast<size_t>(size_class_)].push_back(data_);
}

}  // namespace octavo
