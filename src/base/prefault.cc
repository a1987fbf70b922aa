#include "base/prefault.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>
#include <system_error>

#include "base/cpu_topology.h"
#include "base/huge_pages.h"

#ifndef MADV_POPULATE_READ  // Linux 5.14
#define MADV_POPULATE_READ 22
#endif

namespace octavo {
namespace {

// Large enough for the disk's readahead and for huge pages, small enough to stop at once.
constexpr size_t kPieceBytes = size_t{2} << 20;

constexpr int kNiceness = 10;

}  // namespace

Prefault::Prefault(std::vector<Mapping> mappings, const std::vector<int>& cpus,
                   std::optional<uint64_t> available) {
  for (Mapping left : mappings) {
    total_ += left.size();
    while (!left.empty()) {
      pieces_.push_back(left.first(std::min(left.size(), kPieceBytes)));
      left = left.subspan(pieces_.back().size());
    }
  }
  too_large_ = available && total_ > *available / 5 * 4;
  if (too_large_ || pieces_.empty()) return;
  // A page table of 4 KiB pages costs a stream of weights a tenth of its speed, on a virtual
  // machine a fifth. File systems that can (ext4 from Linux 6.16, XFS, Btrfs) then read the file in
  // huge pages; pages that are cached already stay as they are, and others ignore it.
  for (const Mapping mapping : mappings) ask_for_huge_pages(mapping.data(), mapping.size());
  const size_t threads = std::max<size_t>(1, cpus.size());
  for (size_t i = 0; i < threads; ++i) {
    running_.fetch_add(1);
    try {
      threads_.emplace_back([this] { work(); });
      if (i < cpus.size()) pin_thread(threads_.back().native_handle(), cpus[i]);
    } catch (const std::exception&) {  // no thread, or not where it was meant to be: only slower
      if (threads_.size() == i) running_.fetch_sub(1);
    }
  }
}

Prefault::~Prefault() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
}

void Prefault::work() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kNiceness);
  while (!stop_.load(std::memory_order_relaxed)) {
    const size_t index = next_.fetch_add(1, std::memory_order_relaxed);
    if (index >= pieces_.size()) break;
    populate(pieces_[index]);
    done_.fetch_add(pieces_[index].size(), std::memory_order_relaxed);
  }
  running_.fetch_sub(1, std::memory_order_release);
}

/// Failures (a shortened file, a bad disk) show where the data is used.
void Prefault::populate(Mapping piece) const {
  void* begin = const_cast<std::byte*>(piece.data());
  if (::madvise(begin, piece.size(), MADV_POPULATE_READ) != 0 && errno == EINVAL) {
    ::madvise(begin, piece.size(), MADV_WILLNEED);  // reads without mapping
  }
}

std::optional<uint64_t> Prefault::available_memory() {
  std::ifstream file("/proc/meminfo");
  for (std::string name; file >> name; file.ignore(1 << 10, '\n')) {
    uint64_t kilobytes = 0;
    if (name == "MemAvailable:" && file >> kilobytes) return kilobytes * 1024;
  }
  return {};
}

}  // namespace octavo
