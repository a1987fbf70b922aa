// backend: memory blocks that are used again instead of going back to the system: fresh memory
// costs a page fault per 4 KB.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace octavo {

using Block = std::shared_ptr<std::byte[]>;

/// Blocks keep their pool alive. Thread-safe.
class BlockPool : public std::enable_shared_from_this<BlockPool> {
 public:
  ~BlockPool();

  /// A block of `size` bytes (at least a pointer's), aligned to a cache line; its contents are
  /// zeros or what an earlier owner left.
  Block take(size_t size);

 private:
  struct Free {
    Free* next;
  };
  // The blocks of one size that nobody uses, linked through their own first bytes.
  struct List {
    size_t size;
    Free* first = nullptr;
  };

  List& list(size_t size);
  void give_back(std::byte* block, size_t size);

  std::mutex mutex_;
  std::vector<List> lists_;  // one per size
};

}  // namespace octavo
