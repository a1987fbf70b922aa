// Attention of every instruction set against double: layouts, masks, odd tiles, and bits that
// depend on positions alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "every_isa.h"
#include "kernels/kernels.h"
#include "numerics/bfloat16.h"

namespace octavo {
namespace {

class EveryIsaAttention : public testing::TestWithParam<std::string> {
 protected:
  const Kernels& k() const { return table_of(GetParam()); }
};

std::vector<std::string> attention_names() {
  std::vector<std::string> names = table_names();
  std::erase(names, "emulated4");  // has the tiles of the scalar kernels
  return names;
}
INSTANTIATE_TEST_SUITE_P(Attention, EveryIsaAttention, testing::ValuesIn(attention_names()),
                         [](const auto& isa) { return isa.param; });

enum class Plane { kKeys, kValues };

/// An element of a head's block part, read as the layout is documented.
float stored(const KvLayout& layout, const std::byte* head, Plane plane, int64_t slot,
             int64_t dim) {
  const bool key = plane == Plane::kKeys;
  const int64_t index = key ? layout.key_index(slot, dim) : layout.value_index(slot, dim);
  const std::byte* p = head + (key ? 0 : layout.plane_bytes()) + index * layout.element_bytes();
  if (layout.format == KvFormat::kInt8) {
    float scale;
    const int64_t group = dim / KvLayout::kScaleGroup + (key ? 0 : layout.scale_groups());
    std::memcpy(&scale, head + 2 * layout.plane_bytes() + (group * kKvBlock + slot) * 4, 4);
    return static_cast<float>(static_cast<int8_t>(*p)) * scale;
  }
  if (layout.format == KvFormat::kBF16) {
    uint16_t bits;
    std::memcpy(&bits, p, 2);
    return bf16_to_float(bits);
  }
  float value;
  std::memcpy(&value, p, 4);
  return value;
}

/// One head's keys and values, made of separate blocks; positions never written hold NaN.
class Head {
 public:
  Head(const Kernels& k, KvFormat format, int64_t dim, int64_t positions)
      : layout_{format, dim}, kernels_(k) {
    const int64_t words = layout_.head_bytes() / 4;
    for (int64_t p = 0; p < positions; p += kKvBlock) {
      blocks_.emplace_back(static_cast<size_t>(words), NAN);
      pointers_.push_back(reinterpret_cast<const std::byte*>(blocks_.back().data()));
    }
    const auto keys = random_values(positions * dim, 0.3f, 100);
    const auto values = random_values(positions * dim, 0.6f, 900);
    for (int64_t p = 0; p < positions; ++p) write(p, &keys[p * dim], &values[p * dim]);
  }

  void write(int64_t position, const float* key, const float* value) {
    kernels_.write_kv(layout_, position % kKvBlock, key, value,
                      reinterpret_cast<std::byte*>(blocks_[position / kKvBlock].data()));
  }
  void poison(int64_t position) {
    const std::vector<float> nan(static_cast<size_t>(layout_.head_dim), NAN);
    write(position, nan.data(), nan.data());
  }
  void drop_block(int64_t index) { pointers_[index] = nullptr; }

  float at(Plane plane, int64_t position, int64_t dim) const {
    return stored(layout_, pointers_[position / kKvBlock], plane, position % kKvBlock, dim);
  }
  KvView view() const { return {pointers_.data(), 0, layout_}; }
  int64_t dim() const { return layout_.head_dim; }

 private:
  KvLayout layout_;
  const Kernels& kernels_;
  std::vector<std::vector<float>> blocks_;
  std::vector<const std::byte*> pointers_;
};

/// [positions, group, dim] for queries made of the same numbers whatever the tile: row i belongs to
/// position i / group.
std::vector<float> attend(const Kernels& k, const Head& head, int64_t group, int64_t first,
                          int64_t positions, int64_t window, const std::vector<float>& queries,
                          int64_t seen_ahead = 0) {
  const int64_t dim = head.dim();
  std::vector<float> out(static_cast<size_t>(positions * group * dim), NAN);
  const AttentionTile tile = {
      .queries = queries.data() + first * group * dim,
      .query_stride = dim,
      .group = group,
      .positions = positions,
      .first_position = first,
      .window = window,
      .kv = head.view(),
      .out = out.data(),
      .out_stride = group * dim,
      .seen_ahead = seen_ahead,
  };
  std::vector<float> partial(static_cast<size_t>(tile.rows() * partial_stride(dim)), NAN);
  std::vector<float> scores(static_cast<size_t>(tile.rows() * kScoreStride), NAN);
  std::vector<float> state(static_cast<size_t>(2 * tile.rows()), NAN);
  for (int64_t span = tile.first_span(); span <= tile.last_span(); ++span) {
    k.attention_span(tile, span, partial.data(), scores.data());
    k.attention_merge(tile, span, partial.data(), state.data());
  }
  return out;
}

/// The same for one row, in double.
std::vector<double> reference(const Head& head, const float* query, int64_t position,
                              int64_t window, int64_t seen_ahead = 0) {
  const int64_t begin = window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
  const int64_t end = std::max(position + 1, seen_ahead);
  std::vector<double> weights;
  for (int64_t p = begin; p < end; ++p) {
    double dot = 0;
    for (int64_t i = 0; i < head.dim(); ++i) dot += double{query[i]} * head.at(Plane::kKeys, p, i);
    weights.push_back(dot);
  }
  const double top = *std::max_element(weights.begin(), weights.end());
  double sum = 0;
  for (double& w : weights) sum += w = std::exp(w - top);
  std::vector<double> out(static_cast<size_t>(head.dim()), 0.0);
  for (int64_t p = begin; p < end; ++p) {
    for (int64_t i = 0; i < head.dim(); ++i) {
      out[i] += weights[p - begin] / sum * head.at(Plane::kValues, p, i);
    }
  }
  return out;
}

constexpr KvFormat kFormats[] = {KvFormat::kF32, KvFormat::kBF16, KvFormat::kInt8};

TEST_P(EveryIsaAttention, TilesMatchDouble) {
  struct Case {
    int64_t dim, group, first, positions, window;
  };
  for (const Case& c :
       {Case{16, 1, 0, 1, 0}, Case{16, 3, 60, 9, 0}, Case{80, 2, 0, 70, 0}, Case{48, 5, 190, 3, 64},
        Case{256, 2, 100, 33, 40}, Case{32, 8, 1020, 7, 0}, Case{64, 1, 2100, 2, 1024},
        Case{512, 8, 130, 3, 0}, Case{32, 11, 70, 2, 1}, Case{32, 2, 1000, 90, 100}}) {
    const auto queries = random_values((c.first + c.positions) * c.group * c.dim, 0.7f);
    for (const KvFormat format : kFormats) {
      const Head head(k(), format, c.dim, c.first + c.positions);
      const auto out = attend(k(), head, c.group, c.first, c.positions, c.window, queries);
      for (int64_t row = 0; row < c.positions * c.group; ++row) {
        const int64_t position = c.first + row / c.group;
        const float* query = queries.data() + (c.first * c.group + row) * c.dim;
        const auto expected = reference(head, query, position, c.window);
        for (int64_t i = 0; i < c.dim; ++i) {
          ASSERT_NEAR(out[row * c.dim + i], expected[i], 3e-6)
              << "dim " << c.dim << " group " << c.group << " row " << row;
        }
      }
    }
  }
}

TEST_P(EveryIsaAttention, BitsDoNotDependOnTheTile) {
  constexpr int64_t kDim = 48, kPositions = 1200;
  // Emulated vectors are slow, and a few cases reach every tile.
  const bool few = GetParam().starts_with("emulated");
  for (const KvFormat format : kFormats) {
    if (few && format != KvFormat::kBF16) continue;
    for (const int64_t group : {1, 2, 3, 8}) {
      if (few && group < 3) continue;
      for (const int64_t window : {0, 100, 1024}) {
        if (few && window != 100) continue;
        const Head head(k(), format, kDim, kPositions);
        const auto queries = random_values(kPositions * group * kDim, 0.7f);
        for (const auto& [first, positions] :
             {std::pair<int64_t, int64_t>{0, 70}, {63, 2}, {1010, 37}, {1150, 50}}) {
          const auto tile = attend(k(), head, group, first, positions, window, queries);
          for (int64_t i = 0; i < positions; ++i) {
            const auto one = attend(k(), head, group, first + i, 1, window, queries);
            ASSERT_EQ(std::memcmp(one.data(), &tile[i * group * kDim], one.size() * 4), 0)
                << "group " << group << " window " << window << " position " << first + i;
          }
        }
      }
    }
  }
}

TEST_P(EveryIsaAttention, WhatAQueryDoesNotSeeCannotTouchIt) {
  constexpr int64_t kDim = 32, kGroup = 2, kFirst = 200, kCount = 40, kWindow = 90;
  for (const KvFormat format : kFormats) {
    const auto queries = random_values((kFirst + kCount) * kGroup * kDim, 0.7f);
    Head head(k(), format, kDim, kFirst + kCount);
    const auto clean = attend(k(), head, kGroup, kFirst, kCount, kWindow, queries);
    // Behind the window of all, one of them not even held any more; and, in the middle of the tile,
    // what only later queries see.
    head.drop_block(0);
    for (int64_t p = kKvBlock; p <= kFirst - kWindow; ++p) head.poison(p);
    constexpr int64_t kBad = 25;
    head.poison(kFirst + kBad);
    const auto poisoned = attend(k(), head, kGroup, kFirst, kCount, kWindow, queries);
    EXPECT_EQ(std::memcmp(clean.data(), poisoned.data(), kBad * kGroup * kDim * 4), 0);
    for (size_t i = kBad * kGroup * kDim; i < poisoned.size(); ++i) {
      ASSERT_TRUE(std::isnan(poisoned[i])) << i;
    }
  }
}

// Pictures: the rest of one is seen too, however far; of what is behind, no more than the window.
TEST_P(EveryIsaAttention, KeysAheadAreSeen) {
  struct Case {
    int64_t dim, group, first, positions, window, seen_ahead;
  };
  for (const Case& c :
       {Case{80, 1, 0, 70, 0, 70}, Case{80, 1, 64, 64, 0, 150}, Case{32, 2, 30, 1, 8, 200},
        Case{48, 3, 40, 33, 11, 73}, Case{16, 2, 1000, 40, 100, 2100},
        Case{32, 8, 2000, 8, 1024, 2008}, Case{32, 1, 100, 20, 1, 110}}) {
    const int64_t keys = std::max(c.first + c.positions, c.seen_ahead);
    const auto queries = random_values(keys * c.group * c.dim, 0.7f);
    for (const KvFormat format : kFormats) {
      const Head head(k(), format, c.dim, keys);
      const auto out =
          attend(k(), head, c.group, c.first, c.positions, c.window, queries, c.seen_ahead);
      for (int64_t i = 0; i < c.positions; ++i) {
        const int64_t position = c.first + i;
        const auto one = attend(k(), head, c.group, position, 1, c.window, queries, c.seen_ahead);
        ASSERT_EQ(std::memcmp(one.data(), &out[i * c.group * c.dim], one.size() * 4), 0)
            << "another tile, position " << position;
        for (int64_t g = 0; g < c.group; ++g) {
          const int64_t row = i * c.group + g;
          const float* query = queries.data() + (c.first * c.group + row) * c.dim;
          const auto expected = reference(head, query, position, c.window, c.seen_ahead);
          for (int64_t d = 0; d < c.dim; ++d) {
            ASSERT_NEAR(out[row * c.dim + d], expected[d], 3e-6)
                << "dim " << c.dim << " position " << position;
          }
        }
      }
    }
  }
}

TEST_P(EveryIsaAttention, NothingBeyondWhatIsSeenAheadCanTouchAQuery) {
  constexpr int64_t kDim = 32, kGroup = 2, kFirst = 70, kCount = 50, kEnd = 140, kWindow = 30;
  for (const KvFormat format : kFormats) {
    const auto queries = random_values(300 * kGroup * kDim, 0.7f);
    Head head(k(), format, kDim, 300);
    const auto clean = attend(k(), head, kGroup, kFirst, kCount, kWindow, queries, kEnd);
    for (int64_t p = 0; p <= kFirst - kWindow; ++p) head.poison(p);
    for (int64_t p = kEnd; p < 300; ++p) head.poison(p);
    const auto poisoned = attend(k(), head, kGroup, kFirst, kCount, kWindow, queries, kEnd);
    EXPECT_EQ(std::memcmp(clean.data(), poisoned.data(), clean.size() * 4), 0);
    head.poison(kEnd - 1);
    const auto touched = attend(k(), head, kGroup, kFirst, kCount, kWindow, queries, kEnd);
    for (const float x : touched) ASSERT_TRUE(std::isnan(x));
  }
}

TEST_P(EveryIsaAttention, FloatsAreStoredRoundedToNearestEven) {
  std::vector<float> x = random_values(48, 1.0f);
  const float special[] = {NAN,          -NAN,      INFINITY, -INFINITY,   0.0f,
                           -0.0f,        1e-42f,    3.4e38f,  1.00390625f, 1.01171875f,
                           -1.00390625f, 0x1.01p0f, 0x1.03p0f};
  std::copy(std::begin(special), std::end(special), x.begin());
  for (const KvFormat format : {KvFormat::kF32, KvFormat::kBF16}) {
    const KvLayout layout{format, 48};
    std::vector<float> block(static_cast<size_t>(layout.head_bytes() / 4), 7.0f);
    auto* head = reinterpret_cast<std::byte*>(block.data());
    k().write_kv(layout, 37, x.data(), x.data(), head);
    for (int64_t i = 0; i < 48; ++i) {
      const float expected = format == KvFormat::kF32 ? x[i] : bf16_to_float(float_to_bf16(x[i]));
      for (const Plane plane : {Plane::kKeys, Plane::kValues}) {
        const float value = stored(layout, head, plane, 37, i);
        EXPECT_EQ(std::memcmp(&value, &expected, 4), 0) << x[i] << " -> " << value;
      }
    }
    const auto touched = std::ranges::count_if(block, [](float v) { return v != 7.0f; });
    EXPECT_LE(touched, 2 * 48) << "other positions stay";
  }
}

TEST_P(EveryIsaAttention, Int8CodesAreWithinHalfAStepOfTheLargest) {
  for (const int64_t dim : {16, 48, 256}) {
    const KvLayout layout{KvFormat::kInt8, dim};
    std::vector<float> block(static_cast<size_t>(layout.head_bytes() / 4));
    auto* head = reinterpret_cast<std::byte*>(block.data());
    const auto key = random_values(dim, 2.0f), value = random_values(dim, 0.1f, 8);
    k().write_kv(layout, 63, key.data(), value.data(), head);
    for (const auto& [plane, x] : {std::pair{Plane::kKeys, key}, {Plane::kValues, value}}) {
      for (int64_t begin = 0; begin < dim; begin += KvLayout::kScaleGroup) {
        const int64_t end = std::min(dim, begin + KvLayout::kScaleGroup);
        float top = 0;
        for (int64_t i = begin; i < end; ++i) top = std::max(top, std::abs(x[i]));
        for (int64_t i = begin; i < end; ++i) {
          EXPECT_NEAR(stored(layout, head, plane, 63, i), x[i], top / 127 * 0.501f);
        }
      }
    }
  }
}

TEST_P(EveryIsaAttention, Int8KeepsZeroAndWhatIsNotFinite) {
  const KvLayout layout{KvFormat::kInt8, 64};
  std::vector<float> block(static_cast<size_t>(layout.head_bytes() / 4), NAN);
  auto* head = reinterpret_cast<std::byte*>(block.data());
  std::vector<float> key(64, 0.0f), value(64, 1.0f);
  value[40] = INFINITY;
  k().write_kv(layout, 0, key.data(), value.data(), head);
  for (int64_t i = 0; i < 64; ++i) {
    EXPECT_EQ(stored(layout, head, Plane::kKeys, 0, i), 0.0f);
    const float v = stored(layout, head, Plane::kValues, 0, i);
    EXPECT_TRUE(i < 32 ? v == 1.0f : std::isnan(v)) << i;
  }
}

TEST_P(EveryIsaAttention, Rotate) {
  for (const int64_t half : {8, 16, 40, 128}) {
    const auto before = random_values(2 * half, 1.0f);
    std::vector<float> cos, sin, x = before;
    for (int64_t i = 0; i < half; ++i) {
      cos.push_back(std::cos(static_cast<float>(i) * 0.37f));
      sin.push_back(std::sin(static_cast<float>(i) * 0.37f));
    }
    k().rotate(x.data(), cos.data(), sin.data(), half);
    for (int64_t i = 0; i < half; ++i) {
      const double a = before[i], b = before[i + half];
      EXPECT_NEAR(x[i], a * cos[i] - b * sin[i], 1e-6);
      EXPECT_NEAR(x[i + half], b * cos[i] + a * sin[i], 1e-6);
    }
  }
}

}  // namespace
}  // namespace octavo
