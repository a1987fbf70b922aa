// synth: rows to copy from. Random numbers and encoding cost far more than a disk allows per byte;
// so a pool of rows is made and encoded once, and a tensor's rows are put together from it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "numerics/quantize.h"

namespace octavo::synth {

struct PoolKind {
  int64_t width;
  double deviation;
  std::optional<QuantSpec> spec;  // nullopt: BF16
};

class RowPool {
 public:
  /// The values depend on `seed`, the width and the deviation only, whatever the format. A few
  /// columns are larger than the others, as in trained models.
  RowPool(const PoolKind& kind, ScaleRule rule, uint64_t seed);

  /// Arrays that a row consists of: one for BF16, else codes, scales and for affine biases.
  size_t planes() const { return planes_.size(); }
  size_t row_bytes(size_t plane) const { return planes_[plane].row_bytes; }

  /// Writes one plane of the row that `pick` stands for: up to four stretches of columns, each from
  /// another row of the pool, so that hardly two picks give the same row.
  void copy_row(uint64_t pick, size_t plane, std::span<std::byte> out) const;

 private:
  static constexpr size_t kStretches = 4;

  struct Plane {
    std::vector<uint8_t> bytes;
    size_t row_bytes = 0;
    std::array<size_t, kStretches + 1> cuts{};  // of a row, in bytes
  };

  template <typename ToBytes>
  Plane make_plane(const ToBytes& to_bytes) const;
  std::vector<uint16_t> make_values(const PoolKind& kind, uint64_t seed) const;
  void encode(std::span<const uint16_t> values, const PoolKind& kind, ScaleRule rule);

  size_t rows_ = 0;  // a power of two
  std::array<int64_t, kStretches + 1> columns_{};
  std::vector<Plane> planes_;
};

}  // namespace octavo::synth
