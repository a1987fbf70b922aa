// backend: the two phases of inference.
#pragma once

namespace octavo {

/// Prefill: tokens that are given, any number at once. Decode: the last token of each sequence,
/// just generated. A backend may multiply with another arithmetic in each: a token's bits depend on
/// its phase, never on the tokens beside it.
enum class Phase { kPrefill, kDecode };

}  // namespace octavo
