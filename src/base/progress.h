// base: a progress line with rate and time left; silent where stderr is not a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace octavo {

class Progress {
 public:
  /// `total` in bytes. Nothing is printed if `quiet` or stderr is not a terminal.
  Progress(std::string label, uint64_t total, bool quiet = false);
  ~Progress();  // clears the line

  void advance(uint64_t bytes);

 private:
  void draw();

  std::string label_;
  uint64_t total_;
  uint64_t done_ = 0;
  bool visible_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point drawn_;
};

/// "27.58 GB", "12.00 kB", "17 B": decimal units.
std::string format_bytes(double bytes);
/// "1:02:03", "4:05", "0:07".
std::string format_duration(double seconds);

}  // namespace octavo
