#include "checkpoint/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

#include "base/checked.h"
#include "base/fail.h"

namespace octavo {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF fields are read as they lie");

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint64_t kMaxName = 1024;
constexpr uint32_t kMaxRank = 4;
constexpr uint64_t kMaxArrayElements = uint64_t{1} << 25;  // of all arrays together
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;
constexpr uint64_t kDefaultAlignment = 32;

enum ValueType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};

struct BlockInfo {
  uint32_t type;
  uint32_t elements;  // per block
  uint32_t bytes;
};

constexpr std::array kBlocks{
    BlockInfo{0, 1, 4},      BlockInfo{1, 1, 2},      BlockInfo{2, 32, 18},
    BlockInfo{3, 32, 20},    BlockInfo{6, 32, 22},    BlockInfo{7, 32, 24},
    BlockInfo{8, 32, 34},    BlockInfo{9, 32, 36},    BlockInfo{10, 256, 84},
    BlockInfo{11, 256, 110}, BlockInfo{12, 256, 144}, BlockInfo{13, 256, 176},
    BlockInfo{14, 256, 210}, BlockInfo{15, 256, 292}, BlockInfo{16, 256, 66},
    BlockInfo{17, 256, 74},  BlockInfo{18, 256, 98},  BlockInfo{19, 256, 50},
    BlockInfo{20, 32, 18},   BlockInfo{21, 256, 110}, BlockInfo{22, 256, 82},
    BlockInfo{23, 256, 136}, BlockInfo{24, 1, 1},     BlockInfo{25, 1, 2},
    BlockInfo{26, 1, 4},     BlockInfo{27, 1, 8},     BlockInfo{28, 1, 8},
    BlockInfo{29, 256, 56},  BlockInfo{30, 1, 2},     BlockInfo{34, 256, 54},
    BlockInfo{35, 256, 66},  BlockInfo{39, 32, 17},
};

struct TensorInfo {
  GgufTensor tensor;
  uint64_t offset;  // from the start of the data
  uint64_t size;
};

uint64_t align_up(uint64_t value, uint64_t alignment, std::string_view what) {
  return checked_add(value, alignment - 1, what) & ~(alignment - 1);
}

// Reads fields one after the other; every read is checked against what is left.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  GgufContents parse();

 private:
  template <typename T>
  T read() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::span<const std::byte> take(uint64_t count) {
    if (count > left()) {
      fail(ErrorCode::kBadFile, "{}: GGUF file ends at byte {} inside a field", name_,
           bytes_.size());
    }
    const auto result = bytes_.subspan(position_, count);
    position_ += count;
    return result;
  }

  uint64_t left() const { return bytes_.size() - position_; }

  std::string read_string(uint64_t limit) {
    const auto length = read<uint64_t>();
    if (length > limit || length > left()) {
      fail(ErrorCode::kBadFile, "{}: GGUF string of {} bytes at byte {}, expected at most {}",
           name_, length, position_, std::min(limit, left()));
    }
    const auto text = take(length);
    return {reinterpret_cast<const char*>(text.data()), text.size()};
  }

  bool read_bool(const std::string& key) {
    const auto value = read<uint8_t>();
    if (value > 1) {
      fail(ErrorCode::kBadFile, "{}: GGUF key '{}' is a bool of value {}", name_, printable(key),
           value);
    }
    return value == 1;
  }

  GgufValue read_value(uint32_t type, const std::string& key);
  double read_element(uint32_t type, const std::string& key);
  GgufValue read_array(const std::string& key);
  void read_metadata(GgufContents& contents, uint64_t count);
  uint64_t alignment(const GgufContents& contents) const;
  TensorInfo read_tensor_info();
  void bind_data(GgufContents& contents, std::vector<TensorInfo>& infos);

  std::span<const std::byte> bytes_;
  std::string_view name_;
  uint64_t position_ = 0;
  uint64_t array_elements_ = 0;
};

GgufValue Reader::read_value(uint32_t type, const std::string& key) {
  switch (type) {
    case kU8:
      return uint64_t{read<uint8_t>()};
    case kU16:
      return uint64_t{read<uint16_t>()};
    case kU32:
      return uint64_t{read<uint32_t>()};
    case kU64:
      return read<uint64_t>();
    case kI8:
      return int64_t{read<int8_t>()};
    case kI16:
      return int64_t{read<int16_t>()};
    case kI32:
      return int64_t{read<int32_t>()};
    case kI64:
      return read<int64_t>();
    case kF32:
      return double{read<float>()};
    case kF64:
      return read<double>();
    case kBool:
      return read_bool(key);
    case kString:
      return read_string(UINT64_MAX);
    case kArray:
      return read_array(key);
    default:
      break;
  }
  fail(ErrorCode::kBadFile, "{}: GGUF key '{}' has unknown type {}", name_, printable(key), type);
}

double Reader::read_element(uint32_t type, const std::string& key) {
  return std::visit(
      [](const auto& value) -> double {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(value)>>) {
          return static_cast<double>(value);
        } else {
          return 0;  // strings and arrays do not come here
        }
      },
      read_value(type, key));
}

GgufValue Reader::read_array(const std::string& key) {
  const auto type = read<uint32_t>();
  const auto count = read<uint64_t>();
  if (type == kArray) {
    fail(ErrorCode::kBadFile, "{}: GGUF key '{}' is an array of arrays", name_, printable(key));
  }
  // Every element takes a byte or more, so a count beyond the rest of the file is a lie.
  if (count > left() || count > kMaxArrayElements - array_elements_) {
    fail(ErrorCode::kBadFile, "{}: GGUF key '{}' is an array of {} elements, expected at most {}",
         name_, printable(key), count, std::min(left(), kMaxArrayElements - array_elements_));
  }
  array_elements_ += count;
  if (type == kString) {
    std::vector<std::string> strings;
    for (uint64_t i = 0; i < count; ++i) strings.push_back(read_string(UINT64_MAX));
    return strings;
  }
  std::vector<double> numbers;
  for (uint64_t i = 0; i < count; ++i) numbers.push_back(read_element(type, key));
  return numbers;
}

void Reader::read_metadata(GgufContents& contents, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    std::string key = read_string(kMaxName);
    const auto type = read<uint32_t>();
    GgufValue value = read_value(type, key);
    const auto [found, added] = contents.metadata.emplace(std::move(key), std::move(value));
    if (!added) {
      fail(ErrorCode::kBadFile, "{}: duplicate GGUF key '{}'", name_, printable(found->first));
    }
  }
}

uint64_t Reader::alignment(const GgufContents& contents) const {
  const auto found = contents.metadata.find("general.alignment");
  if (found == contents.metadata.end()) return kDefaultAlignment;
  const auto* value = std::get_if<uint64_t>(&found->second);
  if (value == nullptr || !std::has_single_bit(*value) || *value > kMaxAlignment) {
    fail(ErrorCode::kBadFile, "{}: general.alignment is not a power of two of at most {}", name_,
         kMaxAlignment);
  }
  return *value;
}

TensorInfo Reader::read_tensor_info() {
  TensorInfo info{};
  info.tensor.name = read_string(kMaxName);
  const std::string where = fmt::format("{}: tensor '{}'", name_, printable(info.tensor.name));
  const auto rank = read<uint32_t>();
  if (rank > kMaxRank) {
    fail(ErrorCode::kBadFile, "{}: rank {}, expected at most {}", where, rank, kMaxRank);
  }
  for (uint32_t i = 0; i < rank; ++i) {
    const auto dim = read<uint64_t>();
    if (dim == 0 || dim > static_cast<uint64_t>(INT64_MAX)) {
      fail(ErrorCode::kBadFile, "{}: dimension {} is out of range", where, dim);
    }
    info.tensor.shape.push_back(static_cast<int64_t>(dim));
  }
  info.tensor.type = read<uint32_t>();
  info.offset = read<uint64_t>();
  const auto block = std::find_if(kBlocks.begin(), kBlocks.end(),
                                  [&](const BlockInfo& b) { return b.type == info.tensor.type; });
  if (block == kBlocks.end()) {
    fail(ErrorCode::kBadFile, "{}: unknown GGUF tensor type {}", where, info.tensor.type);
  }
  const uint64_t elements = checked_product(info.tensor.shape, where);
  const int64_t row = info.tensor.shape.empty() ? 1 : info.tensor.shape.front();
  if (row % block->elements != 0) {
    fail(ErrorCode::kBadFile, "{}: rows of {} elements, expected a multiple of {}", where, row,
         block->elements);
  }
  info.size = checked_mul(elements / block->elements, block->bytes, where);
  return info;
}

// Tensors lie in the order of their infos, each padded to the alignment: other offsets are an
// error, so that nothing can overlap.
void Reader::bind_data(GgufContents& contents, std::vector<TensorInfo>& infos) {
  const uint64_t step = alignment(contents);
  const uint64_t start = std::min<uint64_t>(align_up(position_, step, name_), bytes_.size());
  const auto data = bytes_.subspan(start);
  uint64_t position = 0, end = 0;
  for (TensorInfo& info : infos) {
    const std::string where = fmt::format("{}: tensor '{}'", name_, printable(info.tensor.name));
    if (info.offset != position) {
      fail(ErrorCode::kBadFile, "{}: offset {}, expected {}", where, info.offset, position);
    }
    end = checked_add(position, info.size, where);
    if (end > data.size()) {
      fail(ErrorCode::kBadFile, "{}: ends at byte {} of the data, the file has {}", where, end,
           data.size());
    }
    info.tensor.bytes = data.subspan(position, info.size);
    position = align_up(end, step, where);
    std::string key = info.tensor.name;
    if (!contents.tensors.emplace(std::move(key), std::move(info.tensor)).second) {
      fail(ErrorCode::kBadFile, "{}: appears twice", where);
    }
  }
  if (data.size() > position) {
    fail(ErrorCode::kBadFile, "{}: {} bytes after the last tensor", name_, data.size() - end);
  }
}

GgufContents Reader::parse() {
  if (bytes_.size() < sizeof(kMagic) || read<uint32_t>() != kMagic) {
    fail(ErrorCode::kBadFile, "{}: not a GGUF file", name_);
  }
  const auto version = read<uint32_t>();
  if (version != 2 && version != 3) {
    fail(ErrorCode::kBadFile, "{}: GGUF version {}, expected 2 or 3", name_, version);
  }
  const auto tensor_count = read<uint64_t>();
  const auto key_count = read<uint64_t>();
  // The smallest key takes 13 bytes, the smallest tensor info 24.
  if (key_count > left() / 13 || tensor_count > left() / 24) {
    fail(ErrorCode::kBadFile, "{}: {} keys and {} tensors cannot fit {} bytes", name_, key_count,
         tensor_count, left());
  }
  GgufContents contents;
  read_metadata(contents, key_count);
  std::vector<TensorInfo> infos;
  for (uint64_t i = 0; i < tensor_count; ++i) infos.push_back(read_tensor_info());
  bind_data(contents, infos);
  return contents;
}

}  // namespace

GgufContents parse_gguf(std::span<const std::byte> bytes, std::string_view name) {
  return Reader(bytes, name).parse();
}

GgufFile GgufFile::open(const std::filesystem::path& path) {
  GgufFile result{MappedFile(path)};
  result.contents_ = parse_gguf(result.file_.bytes(), path.string());
  return result;
}

}  // namespace octavo
