#include "checkpoint/json_file.h"

#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/fail.h"
#include "base/mapped_file.h"

namespace octavo {
namespace {

using nlohmann::json;

// nlohmann::json has no depth limit of its own and keeps the last of two equal keys; a value costs
// tens of bytes however short its text is, so their number is bounded too.
constexpr int kMaxDepth = 128;
constexpr size_t kMaxValues = size_t{4} << 20;

class Guard {
 public:
  explicit Guard(std::string_view name) : name_(name) {}

  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
        keys_.emplace_back();
        [[fallthrough]];
      case json::parse_event_t::array_start:
        // `depth` counts the levels around this one.
        if (depth >= kMaxDepth) {
          fail(ErrorCode::kBadFile, "{}: JSON nested deeper than {} levels", name_, kMaxDepth);
        }
        count();
        break;
      case json::parse_event_t::object_end:
        keys_.pop_back();
        break;
      case json::parse_event_t::key:
        note_key(parsed.get_ref<const std::string&>());
        break;
      case json::parse_event_t::value:
        count();
        break;
      case json::parse_event_t::array_end:
        break;
    }
    return true;
  }

 private:
  void count() {
    if (++values_ > kMaxValues) {
      fail(ErrorCode::kBadFile, "{}: more than {} JSON values", name_, kMaxValues);
    }
  }

  void note_key(const std::string& key) {
    if (!keys_.back().insert(key).second) {
      fail(ErrorCode::kBadFile, "{}: duplicate JSON key '{}'", name_, printable(key));
    }
  }

  std::string_view name_;
  size_t values_ = 0;
  std::vector<std::unordered_set<std::string>> keys_;  // of the objects that are open
};

// "[json.exception.parse_error.101] parse error at ..." -> "parse error at ..."
std::string_view without_tag(std::string_view message) {
  const size_t end = message.find("] ");
  return end == std::string_view::npos ? message : message.substr(end + 2);
}

}  // namespace

json parse_json(std::string_view text, std::string_view name) {
  // nlohmann::json takes a NUL for the end of the text and would ignore what follows.
  if (text.find('\0') != std::string_view::npos) {
    fail(ErrorCode::kBadFile, "{}: not valid JSON: it holds a NUL byte", name);
  }
  Guard guard(name);
  try {
    return json::parse(text.begin(), text.end(), std::ref(guard));
  } catch (const json::exception& error) {
    fail(ErrorCode::kBadFile, "{}: not valid JSON: {}", name,
         printable(without_tag(error.what()), 200));
  }
}

json read_json_file(const std::filesystem::path& path, size_t limit) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  if (bytes.size() > limit) {
    fail(ErrorCode::kBadFile, "{}: {} bytes of JSON, expected at most {}", path.string(),
         bytes.size(), limit);
  }
  return parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

}  // namespace octavo
