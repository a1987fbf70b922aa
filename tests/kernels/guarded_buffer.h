// A buffer that ends exactly at an inaccessible page: one byte read past the end is a crash.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>

namespace octavo {

class GuardedBuffer {
 public:
  explicit GuardedBuffer(std::span<const uint8_t> content) {
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const size_t body = (content.size() + page - 1) / page * page;
    size_ = body + page;
    base_ = static_cast<uint8_t*>(
        ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED) throw std::runtime_error("mmap");
    ::mprotect(base_ + body, page, PROT_NONE);
    data_ = base_ + body - content.size();
    if (!content.empty()) std::memcpy(data_, content.data(), content.size());
  }
  ~GuardedBuffer() { ::munmap(base_, size_); }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }

 private:
  uint8_t* base_;
  uint8_t* data_;
  size_t size_;
};

}  // namespace octavo
