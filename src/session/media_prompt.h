// session: from a rendered chat with placeholders to a prompt with pictures.
#pragma once

#include <span>
#include <string_view>

#include "engine/prompt.h"
#include "session/media.h"
#include "session/special_tokens.h"
#include "text/tokenizer.h"

namespace octavo {

/// Tokenises `rendered`, in which <|image|> and <|video|> stand for `media`, in order. An image
/// becomes <|image>, one <|image|> per soft token, <image|>; a video the same for each frame, with
/// <|video|> if there is such a token, behind the frame's time "mm:ss ", frames one space apart.
/// The pictures have no features yet. Throws kUnsupported if the placeholders are not those of
/// `media`, which a template may be to blame for.
Prompt media_prompt(std::string_view rendered, std::span<const Media> media,
                    const Tokenizer& tokenizer, const SpecialTokens& special);

}  // namespace octavo
