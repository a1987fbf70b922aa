#include "image/wip.h"
#include <cmath>
#include <cstring>
#include <fstream>
#include <algorithm>
#include "base/fail.h"
namespace octavo {
ImagePatches make_patches(const Image& im, const PatchOptions& o) {
  const int64_t side = o.patch_size * o.pooling;
  const double f = std::sqrt(double(o.max_soft_tokens) * side * side / (double(im.height) * im.width));
  int64_t h = std::max<int64_t>(1, int64_t(f * im.height / side)) * side, w = std::max<int64_t>(1, int64_t(f * im.width / side)) * side;
  h = std::min(h, o.max_soft_tokens * side); w = std::min(w, o.max_soft_tokens * side);
  ImagePatches p{w / o.patch_size, h / o.patch_size, o.patch_size, {}};
  for (int64_t r = 0; r < p.rows; ++r) for (int64_t c = 0; c < p.columns; ++c)
    for (int64_t y = 0; y < p.size; ++y) for (int64_t x = 0; x < p.size; ++x) for (int k = 0; k < 3; ++k)
      p.values.push_back(im.rgb[(((r * p.size + y) * im.height / h) * im.width + (c * p.size + x) * im.width / w) * 3 + k]);
  return p;
}
std::array<uint8_t, 32> content_hash(const ImagePatches& p) {
  uint64_t h = 1469598103934665603ull ^ (uint64_t(p.columns) << 32) ^ uint64_t(p.rows);
  for (uint8_t v : p.values) h = (h ^ v) * 1099511628211ull;
  std::array<uint8_t, 32> out{};
  for (int i = 0; i < 8; ++i) out[i] = uint8_t(h >> (8 * i));
  return out;
}
// PPM only
Image decode_image(std::span<const std::byte> b, const std::string& name) {
  std::string s(reinterpret_cast<const char*>(b.data()), b.size());
  if (s.starts_with("BM")) {
    int w, h; memcpy(&w, &s[18], 4); memcpy(&h, &s[22], 4);
    return {w, h, std::vector<uint8_t>(size_t(w * h * 3), uint8_t(s[54]))};
  }
  long w, h; int n = 0;
  if (sscanf(s.c_str(), "P6 %ld %ld 255%n", &w, &h, &n) != 2 || n == 0 || s.size() < size_t(n + 1 + w * h * 3)) fail(ErrorCode::kBadFile, "{}: not an image", name);
  Image im{w, h, {}};
  im.rgb.assign(s.begin() + n + 1, s.begin() + n + 1 + w * h * 3);
  return im;
}
Image read_image(const std::filesystem::path& p) {
  std::ifstream f(p, std::ios::binary);
  if (!f) fail(ErrorCode::kIo, "{}: cannot open", p.string());
  std::string s((std::istreambuf_iterator<char>(f)), {});
  return decode_image(std::as_bytes(std::span(s)), p.string());
}
std::vector<std::byte> parse_data_url(std::string_view) { fail(ErrorCode::kBadRequest, "data URL"); }
std::vector<TimedImage> read_video(const std::filesystem::path& p) {
  std::vector<std::filesystem::path> files;
  for (auto& e : std::filesystem::directory_iterator(p)) files.push_back(e.path());
  std::sort(files.begin(), files.end());
  std::vector<TimedImage> v;
  for (auto& f : files) v.push_back({read_image(f), double(v.size())});
  return v;
}
}
