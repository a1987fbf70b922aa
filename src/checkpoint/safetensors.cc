#include "checkpoint/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <system_error>
#include <tuple>
#include <utility>

#include "base/checked.h"
#include "base/fail.h"
#include "checkpoint/json_file.h"

namespace octavo {
namespace {

using nlohmann::json;

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeader = 100'000'000;  // the limit of the reference implementation
constexpr size_t kMaxName = 1024;
constexpr size_t kMaxRank = 16;

struct Entry {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
  uint64_t begin, end;
};

uint64_t read_length(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    value |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  }
  return value;
}

std::string_view header_text(std::span<const std::byte> bytes, std::string_view name) {
  if (bytes.size() < kLengthBytes) {
    fail(ErrorCode::kBadFile, "{}: {} bytes are too few for a safetensors file", name,
         bytes.size());
  }
  const uint64_t length = read_length(bytes);
  if (length > kMaxHeader) {
    fail(ErrorCode::kBadFile, "{}: safetensors header of {} bytes, expected at most {}", name,
         length, kMaxHeader);
  }
  if (length > bytes.size() - kLengthBytes) {
    fail(ErrorCode::kBadFile, "{}: safetensors header of {} bytes in a file of {} bytes", name,
         length, bytes.size());
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
  if (text.empty() || text.front() != '{') {
    fail(ErrorCode::kBadFile, "{}: safetensors header does not start with '{{'", name);
  }
  return text;
}

std::map<std::string, std::string> parse_metadata(const json& value, std::string_view name) {
  if (!value.is_object()) {
    fail(ErrorCode::kBadFile, "{}: __metadata__ is not a map of strings", name);
  }
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) {
      fail(ErrorCode::kBadFile, "{}: __metadata__ entry '{}' is not a string", name,
           printable(key));
    }
    metadata.emplace(key, text.get<std::string>());
  }
  return metadata;
}

// Names file and tensor in every complaint about one entry of the header.
class EntryParser {
 public:
  EntryParser(std::string_view file, std::string_view tensor)
      : where_(fmt::format("{}: tensor '{}'", file, printable(tensor))), name_(tensor) {}

  Entry parse(const json& value) const {
    if (name_.empty() || name_.size() > kMaxName) {
      fail(ErrorCode::kBadFile, "{}: name of {} bytes, expected 1 to {}", where_, name_.size(),
           kMaxName);
    }
    if (!value.is_object()) fail(ErrorCode::kBadFile, "{}: entry is not an object", where_);
    Entry entry{std::string(name_), dtype(member(value, "dtype")), shape(member(value, "shape")), 0,
                0};
    std::tie(entry.begin, entry.end) = offsets(member(value, "data_offsets"));
    check_size(entry);
    return entry;
  }

 private:
  const json& member(const json& value, const char* key) const {
    const auto found = value.find(key);
    if (found == value.end()) fail(ErrorCode::kBadFile, "{}: no {}", where_, key);
    return *found;
  }

  Dtype dtype(const json& value) const {
    if (!value.is_string()) fail(ErrorCode::kBadFile, "{}: dtype is not a string", where_);
    const auto& text = value.get_ref<const std::string&>();
    const auto parsed = parse_dtype(text);
    if (!parsed) fail(ErrorCode::kBadFile, "{}: unknown dtype '{}'", where_, printable(text));
    return *parsed;
  }

  std::vector<int64_t> shape(const json& value) const {
    if (!value.is_array()) fail(ErrorCode::kBadFile, "{}: shape is not an array", where_);
    if (value.size() > kMaxRank) {
      fail(ErrorCode::kBadFile, "{}: rank {}, expected at most {}", where_, value.size(), kMaxRank);
    }
    std::vector<int64_t> dims;
    for (const json& dim : value) {
      const uint64_t size = unsigned_integer(dim, "shape");
      if (size > static_cast<uint64_t>(INT64_MAX)) {
        fail(ErrorCode::kBadFile, "{}: dimension {} is too large", where_, size);
      }
      dims.push_back(static_cast<int64_t>(size));
    }
    return dims;
  }

  std::pair<uint64_t, uint64_t> offsets(const json& value) const {
    if (!value.is_array() || value.size() != 2) {
      fail(ErrorCode::kBadFile, "{}: data_offsets is not a pair", where_);
    }
    const uint64_t begin = unsigned_integer(value[0], "data_offsets");
    const uint64_t end = unsigned_integer(value[1], "data_offsets");
    if (begin > end) {
      fail(ErrorCode::kBadFile, "{}: data_offsets [{}, {}] are reversed", where_, begin, end);
    }
    return {begin, end};
  }

  uint64_t unsigned_integer(const json& value, const char* key) const {
    if (!value.is_number_unsigned()) {
      fail(ErrorCode::kBadFile, "{}: {} holds {}, expected integers of 0 or more", where_, key,
           printable(value.dump(-1, ' ', true), 40));
    }
    return value.get<uint64_t>();
  }

  void check_size(const Entry& entry) const {
    const uint64_t expected =
        checked_mul(checked_product(entry.shape, where_), dtype_size(entry.dtype), where_);
    if (entry.end - entry.begin != expected) {
      fail(ErrorCode::kBadFile, "{}: data_offsets span {} bytes, {} {} takes {}", where_,
           entry.end - entry.begin, to_string(entry.dtype), to_string(entry.shape), expected);
    }
  }

  std::string where_;
  std::string_view name_;
};

// Sorted by offset, every tensor must begin where the one before it ended, and the last one must
// end with the file.
void check_coverage(const std::vector<Entry>& entries, uint64_t data_size, std::string_view name) {
  uint64_t position = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != position) {
      fail(ErrorCode::kBadFile, "{}: tensor '{}' starts at byte {} of the data, expected {} ({})",
           name, printable(entry.name), entry.begin, position,
           entry.begin < position ? "overlap" : "hole");
    }
    position = entry.end;
    if (position > data_size) {
      fail(ErrorCode::kBadFile, "{}: tensor '{}' ends at byte {} of the data, the file has {}",
           name, printable(entry.name), position, data_size);
    }
  }
  if (position != data_size) {
    fail(ErrorCode::kBadFile, "{}: tensors cover {} bytes of data, the file has {}", name, position,
         data_size);
  }
}

}  // namespace

SafetensorsHeader parse_safetensors(std::span<const std::byte> bytes, std::string_view name) {
  const std::string_view text = header_text(bytes, name);
  const json root = parse_json(text, name);
  SafetensorsHeader header;
  std::vector<Entry> entries;
  for (const auto& [key, value] : root.items()) {
    if (key == "__metadata__") {
      header.metadata = parse_metadata(value, name);
    } else {
      entries.push_back(EntryParser(name, key).parse(value));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  const auto data = bytes.subspan(kLengthBytes + text.size());
  check_coverage(entries, data.size(), name);
  for (Entry& entry : entries) {
    header.tensors.push_back({std::move(entry.name), entry.dtype, std::move(entry.shape),
                              data.subspan(entry.begin, entry.end - entry.begin)});
  }
  return header;
}

SafetensorsFile::Stamp SafetensorsFile::stamp() const {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(file_.path(), error);
  if (error) {
    fail(ErrorCode::kIo, "{}: cannot stat: {}", file_.path().string(), error.message());
  }
  const auto written = std::filesystem::last_write_time(file_.path(), error);
  if (error) {
    fail(ErrorCode::kIo, "{}: cannot stat: {}", file_.path().string(), error.message());
  }
  return {size, written};
}

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  SafetensorsFile result{MappedFile(path)};
  result.opened_ = result.stamp();
  if (result.opened_.size != result.file_.bytes().size()) {
    fail(ErrorCode::kBadFile, "{}: file changed size while it was being opened", path.string());
  }
  result.header_ = parse_safetensors(result.file_.bytes(), path.string());
  return result;
}

void SafetensorsFile::check_unchanged() const {
  const Stamp now = stamp();
  if (now.size != opened_.size || now.written != opened_.written) {
    fail(ErrorCode::kBadFile, "{}: file was changed while it was in use", file_.path().string());
  }
}

}  // namespace octavo
