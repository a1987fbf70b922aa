#include "model/read_ahead.h"

#include <algorithm>
#include <string_view>

namespace octavo {
namespace {

using Bytes = std::span<const std::byte>;

constexpr size_t kPage = 64 << 10;  // the largest that systems use: every other one divides it

bool is_read_in_parts(std::string_view name) {
  constexpr std::string_view kParts[] = {"embed_tokens_per_layer.", "audio_tower.", "embed_audio."};
  return std::ranges::any_of(
      kParts, [&](std::string_view part) { return name.find(part) != std::string_view::npos; });
}

}  // namespace

std::vector<Bytes> read_ahead(const Checkpoint& checkpoint) {
  std::vector<Bytes> holes;
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    if (is_read_in_parts(name)) holes.push_back(tensor.bytes);
  }
  std::ranges::sort(holes, {}, [](Bytes hole) { return hole.data(); });
  std::vector<Bytes> parts;
  for (Bytes left : checkpoint.mappings()) {
    const auto inside = [&](Bytes hole) {
      return hole.data() >= left.data() && hole.data() < left.data() + left.size();
    };
    for (const Bytes hole : holes) {
      if (!inside(hole)) continue;
      const auto begin = static_cast<size_t>(hole.data() - left.data());
      // Pages that hold something else too are read.
      const size_t next = (begin + hole.size()) / kPage * kPage;
      if (next <= begin) continue;
      if (begin > 0) parts.push_back(left.first(begin));
      left = left.subspan(std::min(next, left.size()));
    }
    if (!left.empty()) parts.push_back(left);
  }
  return parts;
}

}  // namespace octavo
