// base: memory in pages of 2 MiB, where the system has them.
#pragma once

#include <sys/mman.h>

#include <cstddef>

namespace octavo {

/// Of a mapping that starts at a page; without effect where it cannot be had.
inline void ask_for_huge_pages([[maybe_unused]] const std::byte* data,
                               [[maybe_unused]] size_t size) {
#ifdef MADV_HUGEPAGE
  if (size > 0) ::madvise(const_cast<std::byte*>(data), size, MADV_HUGEPAGE);
#endif
}

}  // namespace octavo
