// cli: the limits of the machine that a model's speed is compared with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/peak.h"

namespace octavo::cli {

/// A figure of one thread and of all threads that the model uses.
struct OneAndAll {
  double one = 0, all = 0;
};

struct Peak {
  std::string name;  // fp32, int16, fp16, bf16_tiles
  OneAndAll gflops;  // operations of multiply-adds: two each, 1e9 per second
};

class BenchMachine {
 public:
  /// `threads` as for ThreadPool; `buffer_mib` of memory are read over and over, fewer if there is
  /// little.
  BenchMachine(int threads, uint64_t buffer_mib);

  const std::string& cpu() const { return cpu_; }
  std::string_view isa() const;
  int threads() const { return all_.size(); }

  /// GB/s of streaming reads: the median of `rounds` with and without prefetch, the better of both.
  OneAndAll read_gbps(int rounds = 5);
  /// The same for all threads only: short, to be taken beside a measurement.
  double read_gbps_now();

  /// Of the instructions that the CPU has.
  std::vector<Peak> peaks();

 private:
  double read_gbps(ThreadPool& pool, int rounds);
  double peak_gflops(ThreadPool& pool, const PeakLoop& loop);

  struct Unmap {
    size_t size;
    void operator()(std::byte* data) const;
  };

  std::string cpu_;
  ThreadPool one_, all_;
  size_t size_;
  std::unique_ptr<std::byte, Unmap> buffer_;
};

/// Bytes of memory that can be had without swapping, as far as /proc/meminfo tells; else 0.
uint64_t available_memory();

}  // namespace octavo::cli
