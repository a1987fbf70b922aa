// image: pictures written into text as "data:" URLs.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace octavo {

/// Content of "data:image/TYPE;base64,DATA"; further parameters may stand before ";base64". The
/// type is not compared with the content. Throws kBadRequest for any other text.
std::vector<std::byte> parse_data_url(std::string_view url);

}  // namespace octavo
