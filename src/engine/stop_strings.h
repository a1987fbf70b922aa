// engine: ends a text stream before the first of some strings, however they are split into pieces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace octavo {

class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  /// Takes a piece and returns what certainly belongs to the text: a tail that may become a stop
  /// string is held back. After stopped() nothing more comes.
  std::string push(std::string_view piece);
  /// End of the stream: what was held back.
  std::string flush();

  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace octavo
