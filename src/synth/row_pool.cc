#include "synth/row_pool.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "numerics/bfloat16.h"
#include "synth/random.h"

namespace octavo::synth {
namespace {

constexpr int64_t kPoolValues = int64_t{1} << 20;
constexpr int64_t kMinRows = 1024, kMaxRows = 65536;  // a pick has 16 bits per stretch

// Stretches end where groups of every size end, so that all formats are cut alike.
constexpr int64_t kLargestGroup = 128;

constexpr int64_t kColumnsPerOutlier = 256;
constexpr double kOutlierFactor = 6;

std::vector<double> column_factors(int64_t width, uint64_t seed) {
  std::vector<double> factors(static_cast<size_t>(width), 1.0);
  for (int64_t i = 0; i < width / kColumnsPerOutlier; ++i) {
    factors[mix(seed, static_cast<uint64_t>(i)) % factors.size()] = kOutlierFactor;
  }
  return factors;
}

}  // namespace

RowPool::RowPool(const PoolKind& kind, ScaleRule rule, uint64_t seed)
    : rows_(std::bit_floor(
          static_cast<size_t>(std::clamp(kPoolValues / kind.width, kMinRows, kMaxRows)))) {
  const int64_t blocks = kind.width / kLargestGroup;
  const int64_t stretches = std::clamp<int64_t>(blocks, 1, kStretches);
  for (int64_t i = 0; i <= static_cast<int64_t>(kStretches); ++i) {
    columns_[static_cast<size_t>(i)] =
        i < stretches ? blocks * i / stretches * kLargestGroup : kind.width;
  }
  const std::vector<uint16_t> values = make_values(kind, seed);
  if (kind.spec) {
    encode(values, kind, rule);
    return;
  }
  planes_.push_back(make_plane([](int64_t columns) { return 2 * columns; }));
  std::memcpy(planes_[0].bytes.data(), values.data(), planes_[0].bytes.size());
}

template <typename ToBytes>
RowPool::Plane RowPool::make_plane(const ToBytes& to_bytes) const {
  Plane plane;
  for (size_t i = 0; i < columns_.size(); ++i) {
    plane.cuts[i] = static_cast<size_t>(to_bytes(columns_[i]));
  }
  plane.row_bytes = plane.cuts.back();
  plane.bytes.resize(rows_ * plane.row_bytes);
  return plane;
}

std::vector<uint16_t> RowPool::make_values(const PoolKind& kind, uint64_t seed) const {
  const uint64_t width_seed = mix(seed, static_cast<uint64_t>(kind.width));
  const std::vector<double> factors = column_factors(kind.width, width_seed);
  const uint64_t key = mix(width_seed, std::bit_cast<uint64_t>(kind.deviation));
  std::vector<uint16_t> values;
  values.reserve(rows_ * factors.size());
  for (size_t row = 0; row < rows_; ++row) {
    for (const double factor : factors) {
      const double value = kind.deviation * factor * normal(key, values.size());
      values.push_back(float_to_bf16(static_cast<float>(value)));
    }
  }
  return values;
}

void RowPool::encode(std::span<const uint16_t> values, const PoolKind& kind, ScaleRule rule) {
  const QuantSpec& spec = *kind.spec;
  const auto side_bytes = [&](int64_t columns) {
    return spec.groups(columns) * (spec.has_biases() ? 2 : 1);
  };
  planes_.push_back(make_plane([&](int64_t columns) { return spec.weight_bytes(columns); }));
  planes_.push_back(make_plane(side_bytes));
  if (spec.has_biases()) planes_.push_back(make_plane(side_bytes));
  QuantizedRows out{.weight = planes_[0].bytes, .scales = planes_[1].bytes, .biases = {}};
  if (spec.has_biases()) out.biases = planes_[2].bytes;
  quantize_bf16(values, kind.width, spec, rule, out, "synthetic rows");
}

void RowPool::copy_row(uint64_t pick, size_t plane, std::span<std::byte> out) const {
  const Plane& from = planes_[plane];
  for (size_t i = 0; i < kStretches; ++i) {
    const size_t row = (pick >> (16 * i)) & (rows_ - 1);
    const size_t begin = from.cuts[i], size = from.cuts[i + 1] - begin;
    std::memcpy(out.data() + begin, from.bytes.data() + row * from.row_bytes + begin, size);
  }
}

}  // namespace octavo::synth
