#include "cli/bench_machine.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/fail.h"
#include "base/huge_pages.h"
#include "cli/bench_runs.h"
#include "kernels/kernels.h"

namespace octavo::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kPiece = size_t{1} << 20;  // of the buffer, for one thread at a time

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) {
      return printable(line.substr(colon + 2));
    }
  }
  return "unknown";
}

size_t buffer_size(uint64_t mib) {
  uint64_t pieces = mib;
  if (const uint64_t available = available_memory(); available > 0) {
    pieces = std::min(pieces, available / 4 / kPiece);
  }
  return static_cast<size_t>(std::max<uint64_t>(pieces, 1)) * kPiece;
}

std::byte* map_memory(size_t size) {
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    fail(ErrorCode::kIo, "bench: no memory for a buffer of {} bytes: {}", size,
         std::strerror(errno));
  }
  ask_for_huge_pages(static_cast<std::byte*>(data), size);
  return static_cast<std::byte*>(data);
}

}  // namespace

uint64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    uint64_t kib = 0;
    if (line.starts_with("MemAvailable:") && std::istringstream(line.substr(13)) >> kib) {
      return kib * 1024;
    }
  }
  return 0;
}

void BenchMachine::Unmap::operator()(std::byte* data) const {
  munmap(data, size);
}

BenchMachine::BenchMachine(int threads, uint64_t buffer_mib)
    : cpu_(cpu_name()),
      one_(1),
      all_(threads),
      size_(buffer_size(buffer_mib)),
      buffer_(map_memory(size_), Unmap{size_}) {
  // Each thread touches a part first: with several memory nodes it lands near some of them.
  all_.parallel_for(size_ / kPiece, 1, [&](size_t begin, size_t end) {
    std::memset(buffer_.get() + begin * kPiece, 1, (end - begin) * kPiece);
  });
}

std::string_view BenchMachine::isa() const {
  return kernels().name;
}

double BenchMachine::read_gbps(ThreadPool& pool, int rounds) {
  static std::atomic<uint64_t> sink;
  const auto read_once = [&](bool prefetch) {
    const Clock::time_point start = Clock::now();
    pool.parallel_for(size_ / kPiece, 1, [&](size_t begin, size_t end) {
      sink += peak_loops().read(buffer_.get() + begin * kPiece, (end - begin) * kPiece, prefetch);
    });
    return static_cast<double>(size_) / seconds_since(start) / 1e9;
  };
  std::vector<double> plain, prefetched;
  for (int i = 0; i < rounds; ++i) {
    plain.push_back(read_once(false));
    prefetched.push_back(read_once(true));
  }
  return std::max(spread_of(plain).median, spread_of(prefetched).median);
}

OneAndAll BenchMachine::read_gbps(int rounds) {
  const double one = read_gbps(one_, rounds);
  return {one, threads() == 1 ? one : read_gbps(all_, rounds)};
}

double BenchMachine::read_gbps_now() {
  return read_gbps(all_, 3);
}

double BenchMachine::peak_gflops(ThreadPool& pool, const PeakLoop& loop) {
  constexpr uint64_t kRounds = 1 << 16;  // some 0.2 ms
  const auto items = static_cast<size_t>(128 * pool.size());
  std::vector<double> gflops;
  for (int i = 0; i < 7; ++i) {
    const Clock::time_point start = Clock::now();
    pool.parallel_items(items, [&](size_t, int) { loop.run(kRounds); });
    const auto operations = static_cast<double>(items * kRounds * loop.operations_per_round);
    gflops.push_back(operations / seconds_since(start) / 1e9);
  }
  return spread_of(gflops).median;
}

std::vector<Peak> BenchMachine::peaks() {
  const PeakLoops& loops = peak_loops();
  std::vector<Peak> peaks;
  for (const auto& [name, loop] : {std::pair{"fp32", loops.fp32},
                                   {"int16", loops.int16},
                                   {"fp16", loops.fp16},
                                   {"bf16_tiles", loops.bf16_tiles}}) {
    if (loop.run == nullptr) continue;
    const double one = peak_gflops(one_, loop);
    peaks.push_back({name, {one, threads() == 1 ? one : peak_gflops(all_, loop)}});
  }
  return peaks;
}

}  // namespace octavo::cli
