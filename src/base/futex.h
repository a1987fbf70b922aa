// base: sleeping until an atomic changes, and waking those who sleep on it.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>

namespace octavo {

/// Sleeps if `word` still has the value `seen`; may return for no reason.
inline void futex_wait(const std::atomic<uint32_t>& word, uint32_t seen) {
  static_assert(sizeof word == sizeof seen && std::atomic<uint32_t>::is_always_lock_free);
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}

inline void futex_wake_all(const std::atomic<uint32_t>& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace octavo
