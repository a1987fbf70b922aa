// Pictures and animations. What is accepted has the pixels that it promises.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "clean_failure.h"
#include "image/decode.h"
#include "image/patches.h"
#include "image/video.h"

namespace {

void check(const octavo::Image& image) {
  if (image.width < 1 || image.height < 1) std::abort();
  if (image.rgb.size() != static_cast<size_t>(3 * image.width * image.height)) std::abort();
}

/// Small, so that an input takes a millisecond.
octavo::ImageLimits small_limits() {
  octavo::ImageLimits limits;
  limits.max_pixels = 1 << 14;
  limits.max_frames = 20;
  limits.max_frame_pixels = 1 << 12;
  limits.max_work = 1 << 20;
  return limits;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  octavo::may_fail_cleanly([&] {
    const octavo::Image image = octavo::decode_image(bytes, "fuzz.picture", small_limits());
    check(image);
    octavo::PatchOptions options;
    options.max_soft_tokens = 70;
    const octavo::ImagePatches patches = octavo::make_patches(image, options);
    if (patches.rows * patches.columns > 70 * 9) std::abort();
  });
  octavo::may_fail_cleanly([&] {
    octavo::VideoOptions options;
    options.max_frames = 3;
    options.limits = small_limits();
    octavo::visit_animation(bytes, "fuzz.picture", options,
                            [](octavo::VideoFrame frame) { check(frame.image); });
  });
  return 0;
}
